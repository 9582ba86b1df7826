#include "api/server/message.hpp"

#include <gtest/gtest.h>

namespace noforce::api {
namespace {

TEST(AField, IsForgottenWithAllOfItsName) {
  Fields fields{{"Authorization", "Bearer nf_x"}, {"Accept", "a"}, {"authorization", "again"}};
  fields.forget("Authorization");
  EXPECT_EQ(fields.count("Authorization"), 0U);
  EXPECT_NE(fields.find("Accept"), nullptr);
}

TEST(ATarget, IsTakenApartBeforeItIsDecoded) {
  Request request;
  ASSERT_TRUE(set_target(request, "/v1/services/a%2Fb/restart?reason=a+b%20c&strict&x=%26"));
  EXPECT_EQ(request.path, "/v1/services/a%2Fb/restart");
  EXPECT_EQ(request.segments, (std::vector<std::string>{"v1", "services", "a/b", "restart"}));
  EXPECT_EQ(request.query, (std::vector<Field>{{"reason", "a b c"}, {"strict", ""}, {"x", "&"}}));
}

TEST(ATarget, KeepsEmptySegmentsAndDots) {
  Request request;
  ASSERT_TRUE(set_target(request, "/v1//jobs/../"));
  EXPECT_EQ(request.segments, (std::vector<std::string>{"v1", "", "jobs", "..", ""}));
  ASSERT_TRUE(set_target(request, "/"));
  EXPECT_TRUE(request.segments.empty());
}

TEST(ATarget, IsRefusedWhenItCannotBeReadInOneWay) {
  for (const char* target :
       {"", "*", "v1", "/a%", "/a%2", "/a%zz", "/a%00b", "/a%7f", "/%ff", "/?x=%e9", "/?%0=1"}) {
    Request request;
    const auto taken = set_target(request, target);
    ASSERT_FALSE(taken) << target;
    EXPECT_EQ(taken.error().kind, ErrorKind::malformed) << target;
  }
}

TEST(AField, StaysOnOneLine) {
  Fields fields;
  fields.add("Location", "/a\r\nSet-Cookie: b");
  fields.set("ETag", std::string("\"a\0\nb\"", 6));
  EXPECT_EQ(*fields.find("location"), "/a  Set-Cookie: b");
  EXPECT_EQ(*fields.find("etag"), "\"a  b\"");
}

TEST(ATarget, HasABoundedNumberOfParameters) {
  std::string target = "/?";
  for (int i = 0; i < 65; ++i)
    target += "a&";
  Request request;
  EXPECT_FALSE(set_target(request, target));
}

TEST(Fields, CompareNamesWithoutCase) {
  Fields fields{{"Host", "a"}, {"X-One", "1"}, {"x-one", "2"}};
  EXPECT_EQ(*fields.find("HOST"), "a");
  EXPECT_EQ(fields.count("X-ONE"), 2U);
  fields.set("x-ONE", "3");
  EXPECT_EQ(fields.count("x-one"), 1U);
  EXPECT_EQ(*fields.find("x-one"), "3");
  EXPECT_EQ(fields.find("none"), nullptr);
}

}  // namespace
}  // namespace noforce::api
