// The server on real sockets with real TLS; the handler alone is the test's.
#include "api/server/server.hpp"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "core/digest.hpp"
#include "tests/api/client_certificates.hpp"
#include "tests/api/tls_client.hpp"

namespace noforce::api {
namespace {

using namespace std::chrono_literals;
using test::TlsClient;

constexpr std::size_t kLarge = 24 * 1024 * 1024;  // more than the system's buffers take
const std::string kGet = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

int slowdown() {
  const char* const factor = std::getenv("NOFORCE_TEST_SLOWDOWN");
  return factor == nullptr ? 1 : std::max(1, std::atoi(factor));
}

// Ends when its flag is set; says something each turn until then.
class Ticker final : public BodyStream {
 public:
  explicit Ticker(std::shared_ptr<std::atomic<int>> turns) : turns_(std::move(turns)) {}
  ~Ticker() override { *turns_ = -1; }
  bool next(std::string& out) override {
    ++*turns_;
    // Each piece is asked for when it is due.
    if (*turns_ % 2 == 1) out += "tick " + std::to_string(*turns_ / 2 + 1) + "\n";
    return true;
  }
  MonoTime due() const override { return system_clock().mono() + 10ms; }

 private:
  std::shared_ptr<std::atomic<int>> turns_;
};

// Is there when its flag is set, or at the last moment.
class Patience final : public LaterAnswer {
 public:
  explicit Patience(std::shared_ptr<std::atomic<bool>> done) : done_(std::move(done)) {}
  ~Patience() override { ++ended; }
  static inline std::atomic<int> ended = 0;
  std::optional<Response> look(bool at_last) override {
    if (!*done_ && !at_last) return std::nullopt;
    Response response;
    response.content_type = "text/plain";
    response.body = *done_ ? "done" : "interrupted";
    return response;
  }
  MonoTime due() const override { return until_; }

 private:
  std::shared_ptr<std::atomic<bool>> done_;
  const MonoTime until_ = system_clock().mono() + 60s;
};

class AServer : public testing::Test {
 protected:
  AServer() {
    directory_ =
        std::filesystem::temp_directory_path() / ("noforce-server-" + to_hex(random_bytes(8)));
    std::filesystem::create_directory(directory_);
    test::make_certificate(directory_.string());
  }
  ~AServer() override {
    if (server) server->stop(1000ms);
    std::filesystem::remove_all(directory_);
  }

  TlsFiles files(const std::string& name = "server") const {
    return {(directory_ / (name + ".pem")).string(), (directory_ / (name + ".key")).string()};
  }
  void start(ServerLimits limits = {}) {
    server = make_server([this](const Request& request) { return handle(request); }, limits);
    auto bound = server->start("127.0.0.1:0", files());
    ASSERT_TRUE(bound) << bound.error().detail;
    address = *bound;
  }
  Response handle(const Request& request) {
    ++handled;
    Response response;
    response.content_type = "text/plain";
    if (request.path == "/stream") {
      response.stream = std::make_unique<Ticker>(turns);
      return response;
    }
    if (request.path == "/wait") {
      response.later = std::make_unique<Patience>(done);
      return response;
    }
    if (request.path == "/large") {
      response.body = std::string(kLarge, 'x');
      return response;
    }
    if (request.path == "/404") response.status = 404;
    if (request.path == "/304") response.status = 304;
    response.body = request.method + " " + request.path + " " + request.peer + " " +
                    request.local_address + " " + std::to_string(request.body.size()) + "\n";
    if (const auto* value = request.headers.find("X-Test")) response.body += *value;
    response.headers.add("X-Answer", "yes");
    return response;
  }
  std::string ask(const std::string& bytes) {
    TlsClient client(address);
    EXPECT_TRUE(client.connected());
    client.send(bytes);
    return client.answer();
  }
  static std::string status(const std::string& answer) {
    return answer.size() < 12 ? "(" + answer + ")" : answer.substr(9, 3);
  }

  std::unique_ptr<Server> server;
  std::string address;
  std::atomic<int> handled{0};
  std::shared_ptr<std::atomic<int>> turns = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<bool>> done = std::make_shared<std::atomic<bool>>(false);

 private:
  std::filesystem::path directory_;
};

TEST_F(AServer, AnswersOverTls) {
  start();
  const std::string answer =
      ask("GET /x?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: 100%25 as sent\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("X-Answer: yes\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("GET /x 127.0.0.1 127.0.0.1 0\n100%25 as sent")) << answer;
  EXPECT_EQ(answer.find("Keep-Alive"), std::string::npos) << answer;
}

TEST_F(AServer, KeepsConnectionsAlsoAfterErrors) {
  start();
  TlsClient client(address);
  for (const char* path : {"/a", "/404", "/304", "/b"}) {
    ASSERT_TRUE(client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n"));
    const std::string answer = client.answer();
    EXPECT_EQ(answer.find("Connection: close"), std::string::npos) << answer;
    if (std::string(path) == "/304") {
      EXPECT_EQ(answer.find("Content-Length"), std::string::npos) << answer;
      EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
    }
  }
  client.send("GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.answer().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.ends());
  EXPECT_EQ(handled, 5);
}

TEST_F(AServer, ReadsRequestsThatComeInPiecesOrTogether) {
  start();
  TlsClient client(address);
  const std::string post = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  for (const char byte : post)
    client.send(std::string(1, byte));
  EXPECT_TRUE(client.answer().ends_with("POST /p 127.0.0.1 127.0.0.1 5\n"));
  client.send(post + kGet + "POST /q HTTP/1.1\r\nHost: a\r\n\r\n" + kGet);
  EXPECT_TRUE(client.answer().ends_with(" 5\n"));
  EXPECT_TRUE(client.answer().ends_with("GET /x 127.0.0.1 127.0.0.1 0\n"));
  EXPECT_TRUE(client.answer().ends_with("POST /q 127.0.0.1 127.0.0.1 0\n"))
      << "a POST without a body takes nothing of what follows";
  EXPECT_TRUE(client.answer().ends_with("GET /x 127.0.0.1 127.0.0.1 0\n"));
}

TEST_F(AServer, TakesABodyUpToItsLimit) {
  start();
  const std::string body(64 * 1024, 'x');
  const auto post = [](std::size_t length) {
    return "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  };
  EXPECT_TRUE(ask(post(body.size()) + body).ends_with(" 65536\n"));
  const std::string refused = ask(post(body.size() + 1) + body + "x");
  EXPECT_EQ(status(refused), "413");
  EXPECT_NE(refused.find("\"code\":\"too_large\""), std::string::npos) << refused;
  EXPECT_EQ(status(ask(post(1'000'000'000))), "413") << "before the body comes";
}

TEST_F(AServer, AnswersHeadWithoutTheBody) {
  start();
  TlsClient client(address);
  client.send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read_until("never");
  EXPECT_NE(answer.find("Content-Length: 30\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(AServer, RefusesWhatItDoesNotReadAndGoesOn) {
  start();
  const std::vector<std::pair<std::string, std::string>> cases{
      {"GET /x HTTP/1.1\r\n\r\n", "400"},
      {"nonsense\r\n\r\n", "400"},
      {"GET /x HTTP/3.0\r\nHost: a\r\n\r\n", "505"},
      {"GET /x\r\nHost: a\r\n\r\n", "400"},
      {"\r\n\r\n", "400"},
      {std::string("GET /") + '\0' + "x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET /%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "422"},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "422"},
      {"GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nx\r\n0\r\n\r\n",
       "501"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "501"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
       "501"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", "400"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
       "415"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=\r\n"
       "Content-Length: 3\r\n\r\nabc",
       "415"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
       "417"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ,,,\r\n\r\n", "200"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nX-Test: a%0d%0aSet-Cookie: b\r\n\r\n", "400"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nRange: bytes=5-1,-,9999999999999999999-\r\n\r\n", "200"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nAccept: ,;q=\r\n\r\n", "200"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: B\r\n\r\n", "200"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
       "200"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"BREW /x HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
  };
  for (const auto& [bytes, expected] : cases) {
    const std::string answer = ask(bytes);
    EXPECT_EQ(status(answer), expected) << bytes.substr(0, 200) << "\n" << answer;
    EXPECT_EQ(answer.find("Set-Cookie"), std::string::npos);
    if (expected != "200" && expected != "422") {
      EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
      EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
    }
  }
  EXPECT_EQ(status(ask(kGet)), "200") << "it lives";
}

TEST_F(AServer, HasADeadlineForSlowRequests) {
  ServerLimits limits;
  limits.head = 400ms;
  limits.body = 400ms;
  limits.handshake = 400ms;
  start(limits);
  TlsClient slow(address);
  const MonoTime begin = system_clock().mono();
  bool alive = true;
  for (int i = 0; i < 200 && alive; ++i) {
    alive = slow.send("G");
    std::this_thread::sleep_for(20ms);
    if (system_clock().mono() - begin > 600ms) break;
  }
  EXPECT_EQ(status(slow.answer()), "400");
  EXPECT_TRUE(slow.ends());
  TlsClient half(address);
  half.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_EQ(status(half.answer()), "400");
  EXPECT_EQ(handled, 0);
}

TEST_F(AServer, LetsIdleConnectionsGo) {
  ServerLimits limits;
  limits.idle = 200ms;
  start(limits);
  TlsClient client(address);
  client.send(kGet);
  EXPECT_EQ(status(client.answer()), "200");
  EXPECT_TRUE(client.ends());
}

TEST_F(AServer, SpeaksNothingOlderThanTls12) {
  start();
  EXPECT_FALSE(TlsClient(address, TLS1_VERSION).connected());
  EXPECT_FALSE(TlsClient(address, TLS1_1_VERSION).connected());
  EXPECT_TRUE(TlsClient(address, TLS1_2_VERSION).connected());
  TlsClient newest(address);
  EXPECT_EQ(newest.protocol(), "TLSv1.3");
  for (const char* weak : {"AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256", "NULL"})
    EXPECT_FALSE(TlsClient(address, TLS1_2_VERSION, weak).connected()) << weak;
}

TEST_F(AServer, FollowsAClientThatTakesNewKeysButNotWithoutEnd) {
  start();
  TlsClient client(address, TLS1_3_VERSION);
  for (int i = 0; i < 16; ++i)
    ASSERT_TRUE(client.change_keys());
  client.send(kGet);
  EXPECT_EQ(status(client.answer()), "200");
  for (int i = 0; i < 1000 && client.change_keys(); ++i) {
  }
  EXPECT_TRUE(client.ends());
  EXPECT_EQ(status(ask(kGet)), "200");
}

TEST_F(AServer, IsHeardToTheEndByAClientThatSentAhead) {
  start();
  TlsClient client(address);
  client.send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" +
              std::string(100'000, 'x'));
  const std::string answer = client.answer();
  EXPECT_EQ(status(answer), "200");
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, kLarge);
}

TEST_F(AServer, ServesManyAtOnceWithoutOneWaitingForAnother) {
  start();
  std::vector<std::unique_ptr<TlsClient>> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<TlsClient>(address));
    ASSERT_TRUE(idle.back()->connected());
  }
  const MonoTime begin = system_clock().mono();
  for (const auto& client : idle)
    client->send(kGet);
  for (const auto& client : idle)
    EXPECT_EQ(status(client->answer()), "200");
  EXPECT_LT(system_clock().mono() - begin, 5s);
}

TEST_F(AServer, LetsTheOldestIdleConnectionGiveWay) {
  ServerLimits limits;
  limits.connections = 4;
  start(limits);
  std::vector<std::unique_ptr<TlsClient>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<TlsClient>(address));
    idle.back()->send(kGet);
    EXPECT_EQ(status(idle.back()->answer()), "200");
  }
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(status(ask(kGet)), "200");
  EXPECT_TRUE(idle[0]->ends()) << "the oldest";
}

TEST_F(AServer, LetsAnIdleConnectionGiveWayBeforeOneWithHalfARequest) {
  ServerLimits limits;
  limits.connections = 2;
  start(limits);
  TlsClient half(address);
  half.send(kGet + kGet.substr(0, 10));
  EXPECT_EQ(status(half.answer()), "200");
  TlsClient idle(address);
  idle.send(kGet);
  EXPECT_EQ(status(idle.answer()), "200");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(status(ask(kGet)), "200");
  EXPECT_TRUE(idle.ends()) << "though the other one has been there for longer";
  half.send(kGet.substr(10));
  EXPECT_EQ(status(half.answer()), "200");
}

TEST_F(AServer, SaysWhenThereIsNoRoom) {
  ServerLimits limits;
  limits.connections = 2;
  start(limits);
  TlsClient one(address);
  TlsClient two(address);
  one.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  two.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  while (handled < 2)
    std::this_thread::sleep_for(1ms);
  const std::string shed = ask(kGet);
  EXPECT_EQ(status(shed), "503") << shed;
  EXPECT_NE(shed.find("Retry-After: 1"), std::string::npos) << shed;
  EXPECT_NE(shed.find("application/problem+json"), std::string::npos) << shed;
}

TEST_F(AServer, LetsWaitingRequestsGoOnWhenItIsToldToLookAgain) {
  ServerLimits limits;
  limits.workers = 2;
  start(limits);
  std::vector<std::unique_ptr<TlsClient>> waiting;
  for (int i = 0; i < 40; ++i) {
    waiting.push_back(std::make_unique<TlsClient>(address));
    waiting.back()->send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  while (handled < 40)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(status(ask(kGet)), "200") << "who waits takes no thread from the others";
  *done = true;
  server->look_again();
  for (const auto& client : waiting)
    EXPECT_TRUE(client->answer().ends_with("done"));
}

TEST_F(AServer, LooksAlsoAgainForARequestThatBeginsToWaitAtThatMoment) {
  start();
  std::atomic<bool> ends{false};
  std::thread teller([&] {
    while (!ends)
      server->look_again();
  });
  for (int i = 0; i < 200; ++i) {
    *done = false;
    TlsClient client(address);
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    *done = true;
    ASSERT_TRUE(client.answer().ends_with("done"));
  }
  ends = true;
  teller.join();
}

TEST_F(AServer, LetsAnAddressThatHasMostGiveWay) {
  ServerLimits limits;
  limits.connections = 8;
  start(limits);
  std::vector<std::unique_ptr<TlsClient>> flood;
  for (int i = 0; i < 20; ++i)
    flood.push_back(std::make_unique<TlsClient>(address, 0, nullptr, "127.0.0.2"));
  TlsClient person(address);
  person.send(kGet);
  EXPECT_EQ(status(person.answer()), "200");
  for (int i = 0; i < 20; ++i)
    flood.push_back(std::make_unique<TlsClient>(address, 0, nullptr, "127.0.0.2"));
  person.send(kGet);
  EXPECT_EQ(status(person.answer()), "200") << "the connection was kept";
}

TEST_F(AServer, BoundsWhatOneAddressHolds) {
  ServerLimits limits;
  limits.connections_per_address = 3;
  limits.streams_per_address = 2;
  start(limits);
  std::vector<std::unique_ptr<TlsClient>> streams;
  for (int i = 0; i < 2; ++i) {
    streams.push_back(std::make_unique<TlsClient>(address));
    streams.back()->send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(streams.back()->read_until("tick 1").find("tick 1"), std::string::npos);
  }
  TlsClient third(address);
  third.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string refused = third.answer();
  EXPECT_EQ(status(refused), "503") << refused;
  EXPECT_NE(refused.find("Retry-After"), std::string::npos) << refused;
  // What was answered this instant may not have come to rest yet.
  std::string next = ask(kGet);
  while (status(next) == "503")
    next = ask(kGet);
  EXPECT_EQ(status(next), "200") << next;
  EXPECT_TRUE(third.ends()) << "it had to give way to another one of its address";
  TlsClient elsewhere(address, 0, nullptr, "127.0.0.3");
  elsewhere.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(elsewhere.read_until("tick 1").find("tick 1"), std::string::npos);
}

TEST_F(AServer, LetsGoWhoeverDoesNotTakeHisAnswer) {
  ServerLimits limits;
  limits.write = 300ms;
  start(limits);
  TlsClient client(address);
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  while (handled < 1)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(status(ask(kGet)), "200") << "it holds nobody else up";
  std::this_thread::sleep_for(600ms * slowdown());
  EXPECT_LT(client.read_until("never").size(), kLarge);
}

TEST_F(AServer, HoldsNoMoreForSlowClientsThanItMay) {
  ServerLimits limits;
  limits.held_bytes_per_address = kLarge / 2;
  start(limits);
  TlsClient one(address);
  TlsClient two(address);
  one.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  two.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  while (handled < 2)
    std::this_thread::sleep_for(1ms);
  // Neither reads; the second whose answer has to be kept is let go.
  std::this_thread::sleep_for(200ms * slowdown());
  const bool one_has_it = one.answer().size() > kLarge;
  const bool two_has_it = two.answer().size() > kLarge;
  EXPECT_NE(one_has_it, two_has_it) << "one answer is always kept, however large";
}

TEST_F(AServer, GivesALargeAnswerToASlowClientWhole) {
  start();
  TlsClient client(address);
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  EXPECT_GT(client.answer().size(), kLarge);
}

TEST_F(AServer, TellsWhoSpeaksPlainHttpWhatToDo) {
  start();
  const std::string answer = test::ask_plainly(address, kGet);
  EXPECT_EQ(status(answer), "400") << answer;
  EXPECT_NE(answer.find("write https:// instead"), std::string::npos) << answer;
}

TEST_F(AServer, GivesAnOldClientAStreamWithoutChunks) {
  start();
  TlsClient client(address);
  client.send("GET /stream HTTP/1.0\r\nHost: a\r\n\r\n");
  const std::string seen = client.read_until("tick 3");
  EXPECT_EQ(seen.find("chunked"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("Content-Length"), std::string::npos) << seen;
  EXPECT_NE(seen.find("\r\n\r\ntick 1\ntick 2\ntick 3"), std::string::npos) << seen;
}

TEST_F(AServer, StreamsUntilTheOtherEndLeaves) {
  start();
  {
    TlsClient client(address);
    client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string seen = client.read_until("tick 5");
    EXPECT_NE(seen.find("Transfer-Encoding: chunked"), std::string::npos) << seen;
    EXPECT_NE(seen.find("tick 1"), std::string::npos) << seen;
  }
  const MonoTime until = system_clock().mono() + 10s;
  while (*turns >= 0 && system_clock().mono() < until)
    std::this_thread::sleep_for(5ms);
  EXPECT_EQ(*turns, -1) << "the stream is gone";
}

TEST_F(AServer, EndsWaitsWhenTheOtherEndLeaves) {
  start();
  const int ended = Patience::ended;
  {
    TlsClient client(address);
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    while (handled < 1)
      std::this_thread::sleep_for(1ms);
  }
  const MonoTime until = system_clock().mono() + 10s * slowdown();
  while (Patience::ended == ended && system_clock().mono() < until)
    std::this_thread::sleep_for(1ms);
  EXPECT_GT(Patience::ended, ended);
}

TEST_F(AServer, StopsInTimeWithStreamsWaitsAndIdleConnections) {
  start();
  TlsClient idle(address);
  idle.send(kGet);
  EXPECT_EQ(status(idle.answer()), "200");
  TlsClient stream(address);
  stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(stream.read_until("tick 2").find("tick"), std::string::npos);
  TlsClient wait(address);
  wait.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  while (handled < 3)
    std::this_thread::sleep_for(1ms);
  const MonoTime begin = system_clock().mono();
  server->stop(10s);
  EXPECT_LT(system_clock().mono() - begin, 5s);
  EXPECT_TRUE(wait.answer().ends_with("interrupted")) << "a wait that is cut short is answered";
  EXPECT_TRUE(stream.read_until("never").ends_with("0\r\n\r\n"));
  EXPECT_TRUE(idle.ends());
  EXPECT_FALSE(TlsClient(address).connected());
}

TEST_F(AServer, TakesNewCertificatesAndKeepsTheOldOnesWhenTheyAreBroken) {
  start();
  const auto subject = [this] { return TlsClient(address).subject(); };
  EXPECT_EQ(subject(), "/CN=server");
  TlsClient old(address);
  test::make_certificate(std::filesystem::path(files().key).parent_path().string(), "next");
  const auto next = server->read_certificates(files("next"));
  ASSERT_TRUE(next);
  EXPECT_EQ(subject(), "/CN=server") << "not yet";
  (*next)();
  EXPECT_EQ(subject(), "/CN=next");
  old.send(kGet);
  EXPECT_EQ(status(old.answer()), "200");
  const auto mixed = server->read_certificates({files().certificate, files("next").key});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().kind, ErrorKind::malformed);
  EXPECT_FALSE(server->read_certificates({"/nothing", files().key}));
  EXPECT_EQ(subject(), "/CN=next");
}

TEST_F(AServer, SendsItsCertificateWithTheWholeChain) {
  start();
  EXPECT_EQ(TlsClient(address).sent_certificates(), 1);
  const WallTime now = system_clock().wall();
  const auto from = now - 1h;
  const auto until = now + 1h;
  const test::Signer root({.name = "root", .is_ca = true, .from = from, .until = until});
  const test::Signer between({.name = "between", .is_ca = true, .from = from, .until = until},
                             &root);
  const test::Signer own({.name = "own", .usage = "serverAuth", .from = from, .until = until},
                         &between);
  const TlsFiles chain = files("chain");
  std::ofstream(chain.certificate) << own.pem() << between.pem();
  std::ofstream(chain.key) << own.key_pem();
  const auto taken = server->read_certificates(chain);
  ASSERT_TRUE(taken);
  (*taken)();
  const TlsClient client(address);
  EXPECT_EQ(client.subject(), "/CN=own");
  EXPECT_EQ(client.sent_certificates(), 2);
}

TEST_F(AServer, DoesNotShareItsPort) {
  start();
  auto other = make_server([](const Request&) { return Response(); });
  const auto bound = other->start(address, files());
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.error().detail.find("Address already in use"), std::string::npos)
      << bound.error().detail;
}

TEST_F(AServer, RefusesAddressesThatAreNone) {
  for (const char* listen : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                             "127.0.0.1:-1", "192.0.2.77:0", "no.such.host.invalid:0"}) {
    auto other = make_server([](const Request&) { return Response(); });
    EXPECT_FALSE(other->start(listen, files())) << listen;
  }
  auto v6 = make_server([](const Request&) { return Response{.status = 204}; });
  const auto bound = v6->start("[::1]:0", files());
  if (bound) {
    EXPECT_TRUE(bound->starts_with("[::1]:")) << *bound;
  }
}

}  // namespace
}  // namespace noforce::api
