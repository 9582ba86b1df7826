#include "api/server/head.hpp"

#include <string>

#include <gtest/gtest.h>

namespace noforce::api {
namespace {

std::expected<Head, Problem> parse(const std::string& block) {
  static std::string kept;
  kept = block;
  return parse_head(kept, ServerLimits{});
}

int status(const std::string& block) {
  const auto head = parse(block);
  return head ? 200 : head.error().status;
}

std::string with(const std::string& field) {
  return "POST /v1/jobs HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n";
}

TEST(AHead, IsReadIntoViews) {
  const auto head = parse("GET /v1/jobs?x=1 HTTP/1.1\r\nHost: a\r\nAccept:  text/plain \r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/v1/jobs?x=1");
  ASSERT_EQ(head->fields.size(), 2U);
  EXPECT_EQ(head->fields[1].first, "Accept");
  EXPECT_EQ(head->fields[1].second, "text/plain");
  EXPECT_TRUE(head->keep_alive);
  EXPECT_EQ(head->content_length, 0U);
}

TEST(AHead, SaysWhetherTheConnectionIsKept) {
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\nHost: a\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n")->keep_alive);
}

TEST(AHead, RefusesRequestLinesThatAreNone) {
  for (const char* line :
       {"", "GET", "GET /", "GET  HTTP/1.1", "GET / HTTP/1.1 x", "G\tT / HTTP/1.1",
        "GET http://a/ HTTP/1.1", "GET /a#b HTTP/1.1", "GET /\x01 HTTP/1.1",
        "GET /\xc3\xa9 HTTP/1.1", "GET / FTP/1.1", "PRI * HTTP/2.0x"}) {
    EXPECT_GE(status(std::string(line) + "\r\nHost: a\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(status("PRI /x HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status("GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"), 414);
}

TEST(AHead, NeedsExactlyOneHost) {
  EXPECT_EQ(status("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"), 400);
}

TEST(AHead, KnowsAHostWhenItSeesOne) {
  for (const char* host : {"a", "agent.example.org", "a:8443", "127.0.0.1:65535", "[::1]",
                           "[::1]:8443", "a_b-c.", "a:"}) {
    EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 200) << host;
  }
  for (const char* host :
       {"", ":8443", "a:b", "a:1:2", "a:65536", "a:123456", "a/b", "u@a", "a, b", "a b", "[::1",
        "[]", "[::1]x", "[::1]:x", "::1", "a%2e", "caf\xc3\xa9"}) {
    EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 400) << host;
  }
}

TEST(AHead, RefusesFieldsThatCouldBeReadInTwoWays) {
  for (const char* field : {"no colon", " folded: x", "Na me: x", "Name : x", ": x", "X: a\x01",
                            "X: a\nb", "X: a\rb", "X: %0d%0aSet: 1", "X: %0A", "X: a\x7f"}) {
    EXPECT_EQ(status(with(field)), 400) << field;
  }
  EXPECT_EQ(status(with("Cookie: a=%0A")), 200) << "browsers send it, nobody reads it";
}

TEST(AHead, RefusesBodiesThatNeedADecoder) {
  EXPECT_EQ(status(with("Transfer-Encoding: chunked")), 501);
  EXPECT_EQ(status(with("Transfer-Encoding: identity")), 501);
  EXPECT_EQ(status(with("Content-Encoding: gzip")), 415);
  EXPECT_EQ(status(with("Content-Type: Multipart/form-data; boundary=x")), 415);
  EXPECT_EQ(status(with("Expect: 100-continue")), 417);
  EXPECT_EQ(status(with("Content-Type: a/b\r\nContent-type: a/b")), 400) << "which of the two?";
}

TEST(AHead, ReadsContentLengthOnceAndExactly) {
  EXPECT_EQ(parse(with("Content-Length: 65536"))->content_length, 65536U);
  EXPECT_EQ(status(with("Content-Length: 65537")), 413);
  for (const char* length : {"", "-1", "+1", "1 1", "0x10", "99999999999999999999", "1,1"}) {
    EXPECT_EQ(status(with("Content-Length: " + std::string(length))), 400) << length;
  }
  EXPECT_EQ(status(with("Content-Length: 1\r\nContent-Length: 1")), 400);
}

TEST(AHead, QuotesNoEndlessName) {
  const auto head = parse(with(std::string(9000, 'x') + ": \x01"));
  ASSERT_FALSE(head);
  EXPECT_LT(head.error().detail.size(), 200U);
}

TEST(AHead, HasABoundedNumberOfFields) {
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 64; ++i)
    many += "X: 1\r\n";
  EXPECT_EQ(status(many + "\r\n"), 431);
}

}  // namespace
}  // namespace noforce::api
