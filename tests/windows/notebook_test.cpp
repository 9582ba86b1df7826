// What the agent still knows of its controls after it died.
#include "core/scm/windows/notebook.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace noforce::windows {
namespace {

namespace fs = std::filesystem;

class ANotebook : public testing::Test {
 protected:
  ANotebook() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("noforce-notes-" + std::string(test->name()) + "-" +
               std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    fs::create_directory(folder_);
  }
  ~ANotebook() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path file() const { return folder_ / "notes"; }
  static Note note(std::uint32_t attempt) {
    return {.token = {.job = "01KB", .step = 2, .attempt = attempt},
            .op = ControlOp::stop,
            .service = "Exchange Store",
            .key = "700:133:1",
            .sent_ns = 1000 + attempt,
            .answer = {}};
  }

  fs::path folder_;
};

TEST_F(ANotebook, IsReadByTheNextAgent) {
  {
    Notebook book(file());
    EXPECT_TRUE(book.add(note(1)));
    EXPECT_TRUE(book.add(note(2)));
    book.answer(note(1).token, code::request_timeout);
    book.remember("SMTPSVC", {.process = "700:133", .count = 3});
  }
  const Notebook next(file());
  ASSERT_NE(next.find(note(1).token), nullptr);
  EXPECT_EQ(next.find(note(1).token)->answer, code::request_timeout);
  ASSERT_NE(next.find(note(2).token), nullptr);
  EXPECT_EQ(*next.find(note(2).token), note(2));
  EXPECT_EQ(next.find(note(3).token), nullptr);
  EXPECT_EQ(next.runs().at("SMTPSVC").count, 3U);
}

TEST_F(ANotebook, TakesNoNewSpaceOnceItIsMade) {
  Notebook book(file());
  const auto size = fs::file_size(file());
  for (std::uint32_t n = 0; n < 600; ++n)
    ASSERT_TRUE(book.add(note(n)));
  EXPECT_EQ(fs::file_size(file()), size);
  EXPECT_NE(book.find(note(599).token), nullptr);
}

TEST_F(ANotebook, ThatWasTornGoesBackToTheNoteBefore) {
  {
    Notebook book(file());
    ASSERT_TRUE(book.add(note(1)));
    ASSERT_TRUE(book.add(note(2)));
  }
  for (const std::streamoff place : {0, static_cast<int>(Notebook::kPlace)}) {
    std::fstream bytes(file(), std::ios::binary | std::ios::in | std::ios::out);
    std::string head(40, '\0');
    bytes.seekg(place);
    bytes.read(head.data(), 40);
    // The newest place has the highest sequence; it is the one that holds attempt 2.
    std::string all(4096, '\0');
    bytes.seekg(place);
    bytes.read(all.data(), 4096);
    if (all.find("\t2\tstop") == std::string::npos) continue;
    bytes.seekp(place + static_cast<std::streamoff>(all.find("\t2\tstop")));
    bytes << 'X';
  }
  const Notebook next(file());
  EXPECT_NE(next.find(note(1).token), nullptr);
  EXPECT_EQ(next.find(note(2).token), nullptr);
}

TEST_F(ANotebook, OfRubbishCountsAsEmpty) {
  std::ofstream(file()) << "noforce-notes-1 99999999999999999999 5 5\nhello";
  Notebook book(file());
  EXPECT_EQ(book.find(note(1).token), nullptr);
  EXPECT_TRUE(book.add(note(1)));
}

TEST_F(ANotebook, SaysWhenANoteIsNotOnDisk) {
  Notebook book(folder_ / "nowhere" / "notes");
  EXPECT_FALSE(book.add(note(1)));
}

TEST_F(ANotebook, SkipsLinesThatItCannotRead) {
  Notes notes;
  notes.controls = {note(1)};
  const std::string text = "control\tx\n" + encode(notes) + "run\ta\tb\tc\nfuture\tline\n";
  EXPECT_EQ(decode_notes(text), notes);
}

// ---- a token that is known, and has no answer

Service service_in(ServiceState state, std::string key = "700:133:1") {
  Service service;
  service.name = "SMTPSVC";
  service.state = state;
  if (!key.empty()) service.instance = Instance{700, std::move(key)};
  return service;
}

const MonoTime kNow = MonoTime(std::chrono::hours(5));

Note stop_sent(Milliseconds ago) {
  return {.token = {.job = "01KB", .step = 1, .attempt = 1},
          .op = ControlOp::stop,
          .service = "SMTPSVC",
          .key = "700:133:1",
          .sent_ns = std::chrono::nanoseconds((kNow - ago).time_since_epoch()).count(),
          .answer = {}};
}

TEST(AStopWithoutAnAnswer, WasTakenWhereTheServiceIsOnItsWayDown) {
  const Service service = service_in(ServiceState::stop_pending);
  const Repeat what = decide_repeat(stop_sent(Milliseconds(100)), &service, kNow);
  EXPECT_EQ(what.what, Repeat::Do::answer);
  EXPECT_EQ(what.code, code::success);
}

TEST(AStopWithoutAnAnswer, IsNotActiveWhereTheInstanceIsGone) {
  const Service service = service_in(ServiceState::running, "701:134:0");
  EXPECT_EQ(decide_repeat(stop_sent(Milliseconds(100)), &service, kNow).code, code::not_active);
  const Service stopped = service_in(ServiceState::stopped, "");
  EXPECT_EQ(decide_repeat(stop_sent(Milliseconds(100)), &stopped, kNow).code, code::not_active);
  EXPECT_EQ(decide_repeat(stop_sent(Milliseconds(100)), nullptr, kNow).code, code::does_not_exist);
}

TEST(AStopWithoutAnAnswer, IsNotSentASecondTimeWhileTheFirstMayBeInItsHandler) {
  const Service service = service_in(ServiceState::running);
  const Repeat what = decide_repeat(stop_sent(Milliseconds(100)), &service, kNow);
  EXPECT_EQ(what.what, Repeat::Do::wait);
  EXPECT_EQ(what.until, kNow - Milliseconds(100) + kHandlerTime + kHandlerGrace);
}

TEST(AStopWithoutAnAnswer, IsSentOnceTheHandlersTimeIsOver) {
  const Service service = service_in(ServiceState::running);
  EXPECT_EQ(decide_repeat(stop_sent(kHandlerTime + kHandlerGrace), &service, kNow).what,
            Repeat::Do::send);
  // A note of the future is of another boot.
  EXPECT_EQ(decide_repeat(stop_sent(Milliseconds(-5'000)), &service, kNow).what, Repeat::Do::send);
}

TEST(AStartWithoutAnAnswer, IsSentAgainWhereTheServiceIsStoppedAndWasTakenWhereItIsUp) {
  Note start = stop_sent(Milliseconds(100));
  start.op = ControlOp::start;
  start.key.clear();
  const Service stopped = service_in(ServiceState::stopped, "");
  EXPECT_EQ(decide_repeat(start, &stopped, kNow).what, Repeat::Do::send);
  const Service starting = service_in(ServiceState::start_pending);
  const Repeat what = decide_repeat(start, &starting, kNow);
  EXPECT_EQ(what.what, Repeat::Do::answer);
  EXPECT_EQ(what.code, code::success);
}

TEST(APauseWithoutAnAnswer, WasTakenWhereTheServiceIsPaused) {
  Note pause = stop_sent(Milliseconds(100));
  pause.op = ControlOp::pause;
  const Service paused = service_in(ServiceState::paused);
  EXPECT_EQ(decide_repeat(pause, &paused, kNow).code, code::success);
  const Service running = service_in(ServiceState::running);
  EXPECT_EQ(decide_repeat(pause, &running, kNow).what, Repeat::Do::wait);
  pause.op = ControlOp::resume;
  EXPECT_EQ(decide_repeat(pause, &running, kNow).what, Repeat::Do::answer);
}

}  // namespace
}  // namespace noforce::windows
