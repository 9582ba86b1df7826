#include "api/negotiation.hpp"

#include <gtest/gtest.h>

#include "tests/api/request.hpp"

namespace noforce::api {
namespace {

using test::make_request;

Result<Format> format_for(const char* accept) {
  return wanted_format(make_request("GET", "/", {{"Accept", accept}}));
}

TEST(TheFormat, IsJsonUnlessTextIsPreferred) {
  EXPECT_EQ(*wanted_format(make_request("GET", "/")), Format::json);
  EXPECT_EQ(*format_for("*/*"), Format::json);
  EXPECT_EQ(*format_for("text/html,application/xhtml+xml,*/*;q=0.8"), Format::json);
  EXPECT_EQ(*format_for("text/plain"), Format::text);
  EXPECT_EQ(*format_for("Text/Plain; charset=utf-8"), Format::text);
  EXPECT_EQ(*format_for("text/*"), Format::text);
  EXPECT_EQ(*format_for("text/plain;q=0.5, application/json"), Format::json);
  EXPECT_EQ(*format_for("text/plain, application/json;q=0.5"), Format::text);
  EXPECT_EQ(*format_for("application/json;q=0, */*"), Format::text);
  EXPECT_EQ(*format_for(""), Format::json);
}

TEST(TheFormat, IsRefusedWhenNothingFits) {
  for (const char* accept : {"image/png", "*/*;q=0", "application/xml, text/html"}) {
    const auto format = format_for(accept);
    ASSERT_FALSE(format) << accept;
    EXPECT_EQ(format.error().kind, ErrorKind::not_acceptable);
  }
}

TEST(AnEtag, LeavesOutWhatMovesWithTheClock) {
  const std::string one = R"({"a":1,"t":100,"b":2})";
  const std::string two = R"({"a":1,"t":2,"b":2})";
  const auto part = [](const std::string& text, std::size_t size) {
    return std::string_view(text).substr(text.find("\"t\":") + 4, size);
  };
  EXPECT_EQ(weak_etag(one, part(one, 3)), weak_etag(two, part(two, 1)));
  EXPECT_NE(weak_etag(one), weak_etag(two));
  EXPECT_EQ(weak_etag("x").size(), 20U);
  EXPECT_TRUE(weak_etag("x").starts_with("W/\""));
}

TEST(AnEtag, ComparesWeakly) {
  const auto asks = [](const char* value) {
    return is_not_modified(make_request("GET", "/", {{"If-None-Match", value}}), "W/\"abc\"");
  };
  EXPECT_TRUE(asks("W/\"abc\""));
  EXPECT_TRUE(asks("\"abc\""));
  EXPECT_TRUE(asks("\"x\", W/\"abc\""));
  EXPECT_TRUE(asks("*"));
  EXPECT_FALSE(asks("\"abd\""));
  EXPECT_FALSE(asks("abc"));
}

TEST(A304, HasTheTagAndNoBody) {
  const Response response = with_etag(make_request("GET", "/", {{"If-None-Match", "W/\"t\""}}),
                                      json_response(200, "{}"), "W/\"t\"");
  EXPECT_EQ(response.status, 304);
  EXPECT_TRUE(response.body.empty());
  EXPECT_EQ(*response.headers.find("ETag"), "W/\"t\"");
}

}  // namespace
}  // namespace noforce::api
