#include "core/scm/supervisor/record.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace noforce::supervisor {
namespace {

Record full_record() {
  Record record;
  record.boot = "boot-1";
  record.state = ServiceState::stop_pending;
  record.main = {.pid = 4711, .start_time = 123456};
  record.key = "4711:123456:boot-1";
  record.executed = record.said_ready = record.stop_asked = true;
  record.failures = 3;
  record.checkpoint = 9;
  record.wait_hint_ms = 2000;
  record.last_progress_ns = 77;
  record.started_ns = 66;
  record.launched_as = 67;
  record.status_text = "flushing";
  record.exit = Exit{.code = 143, .service_code = std::nullopt};
  record.since_ms = 1'700'000'000'000;
  record.notify_address = "noforce/abc";
  Error error;
  error.kind = ErrorKind::busy;
  error.detail = "still stopping";
  record.tokens = {{.token = {.job = "01A", .step = 1}, .op = ControlOp::start, .answered = true},
                   {.token = {.job = "01A", .step = 2},
                    .op = ControlOp::stop,
                    .answered = true,
                    .result = std::unexpected(error)},
                   {.token = {.job = "01A", .step = 3}, .op = ControlOp::stop}};
  return record;
}

class ARecordFile : public ::testing::Test {
 protected:
  ARecordFile() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "noforce-record-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    folder_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  RecordFile open() { return std::move(*RecordFile::open(folder_.get(), "web")); }
  // Overwrites a part of the file, as a write that was cut short would leave it.
  void damage(off_t at, std::size_t bytes) {
    const Fd file(::openat(folder_.get(), "web.run", O_WRONLY | O_CLOEXEC));
    const std::string junk(bytes, '\x5a');
    ASSERT_EQ(::pwrite(file.get(), junk.data(), junk.size(), at), static_cast<ssize_t>(bytes));
  }

  std::string path_;
  Fd folder_;
};

TEST(ARecord, ComesBackWithAllThatItHolds) {
  EXPECT_EQ(decode_record(encode_record(full_record())), full_record());
  EXPECT_EQ(decode_record(encode_record(Record{})), Record{});
}

TEST_F(ARecordFile, GivesTheNewestSave) {
  auto file = open();
  EXPECT_FALSE(file.load());
  Record record = full_record();
  for (std::uint64_t i = 0; i < 5; ++i) {
    record.checkpoint = i;
    ASSERT_EQ(file.save(record), 0);
    EXPECT_EQ(open().load(), record);
  }
}

TEST_F(ARecordFile, GivesTheOneBeforeWhenASaveWasCutShort) {
  Record record = full_record();
  for (const bool second_slot : {true, false}) {
    auto file = open();
    record.checkpoint = 1;
    ASSERT_EQ(file.save(record), 0);
    if (second_slot) {
      ASSERT_EQ(file.save(record), 0);  // so that the torn one is in the other slot
    }
    const Record good = record;
    record.checkpoint = 2;
    ASSERT_EQ(file.save(record), 0);
    auto fresh = open();
    ASSERT_EQ(fresh.load(), record);
    // Which slot is newest alternates; damage the one that holds checkpoint 2.
    damage(0, 64);
    if (open().load() == record) {
      damage(RecordFile::kSlotSize, 64);
      EXPECT_FALSE(open().load());
    } else {
      EXPECT_EQ(open().load(), good);
    }
    std::filesystem::remove(path_ + "/web.run");
  }
}

TEST_F(ARecordFile, GoesOnAfterTheNewestSaveWhenItIsOpenedAgain) {
  Record record = full_record();
  ASSERT_EQ(open().save(record), 0);
  record.checkpoint = 100;
  ASSERT_EQ(open().save(record), 0);
  record.checkpoint = 101;
  ASSERT_EQ(open().save(record), 0);
  EXPECT_EQ(open().load(), record);
}

TEST_F(ARecordFile, NeverGrowsSoThatAFullDiskDoesNotForbidASave) {
  auto file = open();
  const auto size = std::filesystem::file_size(path_ + "/web.run");
  Record record = full_record();
  Error lengthy;
  lengthy.detail = std::string(3000, 'x');
  record.tokens.clear();
  for (std::uint32_t i = 0; i < kTokensKept; ++i) {
    record.tokens.push_back({.token = {.job = "01A", .step = i},
                             .op = ControlOp::stop,
                             .answered = true,
                             .result = std::unexpected(lengthy)});
  }
  ASSERT_EQ(file.save(record), 0);
  EXPECT_EQ(std::filesystem::file_size(path_ + "/web.run"), size);
  const auto back = open().load();
  ASSERT_TRUE(back);
  ASSERT_FALSE(back->tokens.empty());
  EXPECT_EQ(back->tokens.back(), record.tokens.back());  // the oldest were dropped
}

TEST_F(ARecordFile, IsNotFollowedThroughALink) {
  std::filesystem::create_symlink("/etc/passwd", path_ + "/web.run");
  EXPECT_FALSE(RecordFile::open(folder_.get(), "web").has_value());
}

}  // namespace
}  // namespace noforce::supervisor
