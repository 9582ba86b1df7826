// The probe against a server of a few lines that answers what the test wants.
#include "api/http_probe.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace noforce::api {
namespace {

using namespace std::chrono_literals;

// Answers each connection with the same bytes once something was asked; empty: never.
class CannedServer {
 public:
  explicit CannedServer(std::string answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  [[nodiscard]] std::string url(const std::string& path = "/health") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  [[nodiscard]] const std::string& asked() const { return asked_; }

 private:
  void serve() {
    for (;;) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      char buffer[4096];
      const auto count = ::recv(client, buffer, sizeof buffer, 0);
      if (count > 0) asked_.assign(buffer, static_cast<std::size_t>(count));
      if (answer_.empty()) {
        while (::recv(client, buffer, sizeof buffer, 0) > 0) {
        }
      } else {
        (void)::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      }
      ::close(client);
    }
  }

  const std::string answer_;
  int listener_ = -1;
  int port_ = 0;
  std::string asked_;
  std::thread thread_;
};

std::string answer(const std::string& status, const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n" + more + "\r\nok";
}

TEST(AProbe, IsContentWithAny2xx) {
  const CannedServer ok(answer("200 OK"));
  EXPECT_TRUE(http_probe()(ok.url("/health?deep=1"), 5000ms));
  EXPECT_TRUE(ok.asked().starts_with("GET /health?deep=1 HTTP/1.1\r\n")) << ok.asked();
  const CannedServer none("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(http_probe()(none.url(), 5000ms));
}

TEST(AProbe, SaysWhatItGotInstead) {
  const CannedServer broken(answer("503 Service Unavailable"));
  const auto result = http_probe()(broken.url(), 5000ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::verify_failed);
  EXPECT_EQ(result.error().detail, broken.url() + " answered 503.");
}

TEST(AProbe, FollowsNoRedirectAndAsksNoProxy) {
  const CannedServer elsewhere(answer("200 OK"));
  const CannedServer moved(answer("302 Found", "Location: " + elsewhere.url() + "\r\n"));
  ::setenv("http_proxy", elsewhere.url().c_str(), 1);
  EXPECT_FALSE(http_probe()(moved.url(), 5000ms));
  ::unsetenv("http_proxy");
  EXPECT_TRUE(elsewhere.asked().empty());
}

TEST(AProbe, DoesNotReadALongBody) {
  const CannedServer chatty("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" +
                            std::string(300'000, 'x'));
  EXPECT_TRUE(http_probe()(chatty.url(), 5000ms));
}

TEST(AProbe, DoesNotWaitForLongerThanItMay) {
  const CannedServer silent("");
  const MonoTime begin = system_clock().mono();
  EXPECT_FALSE(http_probe()(silent.url(), 300ms));
  EXPECT_LT(system_clock().mono() - begin, 5s);
  EXPECT_FALSE(http_probe()("http://127.0.0.1:1/", 300ms)) << "nobody listens there";
}

TEST(AProbe, TakesHttpUrlsOnly) {
  for (const char* url : {"", "https://127.0.0.1/", "ftp://x/", "http://", "http:///x",
                          "http://a@127.0.0.1/", "127.0.0.1/health"})
    EXPECT_FALSE(http_probe()(url, 300ms)) << url;
}

}  // namespace
}  // namespace noforce::api
