#include "core/scm/supervisor/protocol.hpp"

#include <signal.h>

#include <random>

#include <gtest/gtest.h>

#include "core/scm/supervisor/fields.hpp"

namespace noforce::supervisor {
namespace {

ServiceSpec full_spec() {
  return {.name = "w3svc",
          .display_name = "World Wide Web Publishing",
          .command = {"/usr/sbin/thing", "--foreground", ""},
          .depends_on = {"iisadmin", "http"},
          .start = StartType::manual,
          .type = Readiness::notify,
          .ready_tcp = "127.0.0.1:80",
          .stop_signal = 3,
          .stop_command = {"/bin/stop", "it"},
          .reload_signal = 1,
          .reload_command = {"/bin/reload"},
          .restart = RestartPolicy::always,
          .user = "www-data",
          .directory = "/var/www",
          .environment = {{"LANG", "C.UTF-8"}, {"EMPTY", ""}},
          .limits = {{"NOFILE", 65536}, {"CORE", 0}}};
}

template <typename M>
void expect_the_same_back(const M& message) {
  const auto back = decode(encode(message));
  ASSERT_TRUE(back.has_value()) << back.error();
  ASSERT_TRUE(std::holds_alternative<M>(*back));
  EXPECT_EQ(std::get<M>(*back), message);
}

TEST(AMessage, ComesBackAsItWasSent) {
  expect_the_same_back(Hello{.version = 7, .oldest = 3, .pid = 4711});
  expect_the_same_back(Hello{.pid = 4711, .replaceable = true});
  expect_the_same_back(Replace{.argv = {"/usr/bin/noforce", "keeper", ""}});
  expect_the_same_back(StaysAsItIs{.why = "cannot execute /x"});
  expect_the_same_back(Refused{.why = "another agent has connected"});
  expect_the_same_back(Define{.spec = full_spec()});
  expect_the_same_back(DefinedAll{});
  expect_the_same_back(Keep{.services = {"w3svc", "smtpsvc"}});
  expect_the_same_back(Keep{});
  expect_the_same_back(Command{.op = ControlOp::reload,
                               .service = "w3svc",
                               .key = "1:2:3",
                               .token = {.job = "01KB", .step = 3, .attempt = 2},
                               .comment = "job 01KB by token:ci"});
  expect_the_same_back(TcpReady{.service = "w3svc", .key = "1:2:3"});
  expect_the_same_back(Query{.service = "w3svc"});
  expect_the_same_back(End{});
  expect_the_same_back(StatusAll{});
  expect_the_same_back(EndAnswer{.refused = "services are up: w3svc"});
  expect_the_same_back(Answer{.token = {.job = "01KB"}, .service = "w3svc", .result = {}});
}

TEST(AStatus, ComesBackWithAllThatItSays) {
  Status status;
  status.name = "w3svc";
  status.display_name = "World Wide Web";
  status.state = ServiceState::stop_pending;
  status.instance = Instance{.pid = 4711, .key = "4711:99:boot"};
  status.accepts = {.stop = true, .pause_continue = false, .reload = true};
  status.checkpoint = 12;
  status.wait_hint_ms = 2000;
  status.last_progress_ns = 123'456'789'012;
  status.status_text = "flushed 900 of 1000";
  status.exit = Exit{.code = 143, .service_code = std::nullopt};
  status.since_ms = 1'700'000'000'123;
  status.warnings = {"one", "two"};
  status.defined = false;
  status.wants_tcp = true;
  expect_the_same_back(status);
  status.exit = Exit{};  // ended, nobody saw how
  expect_the_same_back(status);
}

TEST(AnAnswer, CarriesTheWholeError) {
  Error error;
  error.kind = ErrorKind::scm_failure;
  error.detail = "cannot execute /x: No such file or directory (ENOENT)";
  error.service = "w3svc";
  error.native_code = 2;
  error.native_name = "ENOENT";
  error.effect = Effect::unknown;
  expect_the_same_back(Answer{
      .token = {.job = "01KB", .step = 1}, .service = "w3svc", .result = std::unexpected(error)});
}

TEST(ADecoder, RefusesNamesThatAreNoFileNames) {
  for (const char* name : {"", "a/b", "..x/..", "a b", "ü", "a\nb"}) {
    auto spec = full_spec();
    spec.name = name;
    EXPECT_FALSE(decode(encode(Define{.spec = spec})).has_value()) << name;
  }
  EXPECT_TRUE(valid_name("A-z.0_9@x"));
  EXPECT_FALSE(valid_name(std::string(81, 'a')));
}

TEST(ADecoder, RefusesACommandThatIsNoAbsolutePath) {
  auto spec = full_spec();
  spec.command = {"thing"};
  EXPECT_FALSE(decode(encode(Define{.spec = spec})).has_value());
  spec.command = {};
  EXPECT_FALSE(decode(encode(Define{.spec = spec})).has_value());
  spec.command = {std::string("/bin/x\0y", 8)};
  EXPECT_FALSE(decode(encode(Define{.spec = spec})).has_value());
}

TEST(ADecoder, RefusesASignalThatNoServiceCanAnswer) {
  // never-kills: what has to be refused
  for (const int signal : {SIGKILL, SIGSTOP, 65, 128 + SIGKILL, -1}) {
    auto spec = full_spec();
    spec.stop_signal = signal;
    EXPECT_FALSE(decode(encode(Define{.spec = spec})).has_value()) << signal;
    spec = full_spec();
    spec.reload_signal = signal;
    EXPECT_FALSE(decode(encode(Define{.spec = spec})).has_value()) << signal;
  }
}

TEST(ADecoder, SkipsWhatANewerProgramSays) {
  FieldWriter later;
  later.text(1, "w3svc").text(200, "something new").number(201, 5);
  const std::string query = static_cast<char>(7) + later.bytes();
  ASSERT_TRUE(decode(query).has_value());
  EXPECT_EQ(std::get<Query>(*decode(query)).service, "w3svc");
  const std::string message = static_cast<char>(99) + later.bytes();
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(*decode(message)));
}

// Either a message or a sentence.
bool bounded(const std::expected<Message, std::string>& decoded) {
  return decoded.has_value() || !decoded.error().empty();
}

TEST(ADecoder, TakesAnyBytes) {
  std::mt19937 random(4711);
  const std::string whole = encode(Define{.spec = full_spec()});
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    EXPECT_TRUE(bounded(decode(whole.substr(0, cut))));
  }
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 4; ++i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    EXPECT_TRUE(bounded(decode(bytes)));
  }
  EXPECT_FALSE(decode("").has_value());
  EXPECT_FALSE(decode(std::string(kMaxMessage + 1, 'x')).has_value());
}

TEST(Versions, TalkWhereTheyOverlap) {
  EXPECT_FALSE(incompatible(Hello{}));
  EXPECT_FALSE(incompatible(Hello{.version = kProtocolVersion + 5, .oldest = kProtocolVersion}));
  EXPECT_TRUE(incompatible(Hello{.version = kProtocolVersion + 5, .oldest = kProtocolVersion + 1}));
  EXPECT_TRUE(incompatible(Hello{.version = 0, .oldest = 0}));
}

}  // namespace
}  // namespace noforce::supervisor
