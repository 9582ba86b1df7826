#include "api/input.hpp"

#include <array>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/api/request.hpp"

namespace noforce::api {
namespace {

using test::make_request;

constexpr std::array kSpecs{
    FieldSpec{"action", FieldType::text, 1, 16, "stop start"},
    FieldSpec{"services", FieldType::texts, 1, 8},
    FieldSpec{"deadline_s", FieldType::integer, 1, 100},
    FieldSpec{"on", FieldType::boolean},
};

Result<nlohmann::json> read(const std::string& body, const std::string& query = "",
                            const char* type = "application/json") {
  return read_fields(make_request("POST", "/x" + query, {{"Content-Type", type}}, body), kSpecs);
}

std::string refusal(const std::string& body, const std::string& query = "") {
  const auto fields = read(body, query);
  if (fields) return "accepted";
  EXPECT_EQ(fields.error().kind, ErrorKind::malformed);
  return fields.error().detail;
}

TEST(ABody, IsReadStrictly) {
  const auto fields = read(R"({"action":"stop","services":["a","b"],"deadline_s":7,"on":true})");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->at("deadline_s"), 7);
  EXPECT_TRUE(read("")->empty());
  EXPECT_TRUE(read("{}")->empty());
}

TEST(ABody, IsRefusedWithASentenceThatSaysWhere) {
  EXPECT_EQ(refusal(R"({"acton":"stop"})"), "Unknown field \"acton\"; did you mean action?");
  EXPECT_EQ(refusal(R"({"zzzzzz":1})"),
            "Unknown field \"zzzzzz\"; known are action, services, deadline_s, on.");
  EXPECT_EQ(refusal("{\"action\":\n \"stop\",}"),
            "The body is not JSON in UTF-8: something is wrong at line 2, column 9.");
  EXPECT_EQ(refusal(R"({"action":"stop","action":"start"})"),
            "The field \"action\" is there more than once.");
  EXPECT_EQ(refusal(R"({"action":"explode"})"),
            "action has to be one of stop, start, not \"explode\".");
  EXPECT_EQ(refusal(R"({"deadline_s":0})"), "deadline_s has to be a whole number from 1 to 100.");
  EXPECT_EQ(refusal(R"({"services":["a",1]})"), "services[1] has to be a string.");
  EXPECT_EQ(refusal(R"({"services":[]})"), "services has to be a list of 1 to 1000 strings.");
  EXPECT_EQ(refusal(R"({"services":[""]})"), "services must not be empty.");
  EXPECT_EQ(refusal("[]"), "The body has to be a JSON object, as in {\"reason\":\"deploy 4711\"}.");
}

TEST(ABody, SurvivesWhatIsMeantToBreakIt) {
  std::string deep = R"({"on":)";
  for (int i = 0; i < 20'000; ++i)
    deep += '[';
  EXPECT_NE(refusal(deep), "accepted");
  std::string nested = R"({"on":)" + std::string(20, '[') + std::string(20, ']') + "}";
  EXPECT_EQ(refusal(nested), "The body is nested more than 16 deep.");
  for (const std::string& body :
       {std::string("{\"action\":\"\xff\"}"), std::string("{\"action\":\"st\0op\"}", 17),
        std::string("\0", 1), std::string("nul"), std::string("{\"deadline_s\":1e999}"),
        std::string("{\"deadline_s\":18446744073709551615}"), std::string("{\"deadline_s\":-1}"),
        std::string("{\"deadline_s\":1.5}"), std::string("{\"deadline_s\":\"7\"}"),
        std::string("{\"on\":1}"), std::string("{\"on\":null}"), std::string("{} {}"),
        std::string("{\"\\ud800\":1}")}) {
    EXPECT_NE(refusal(body), "accepted") << body;
  }
}

TEST(ABody, HasToSayThatItIsJson) {
  const auto form = read("reason=x", "", "application/x-www-form-urlencoded");
  ASSERT_FALSE(form);
  EXPECT_EQ(form.error().kind, ErrorKind::unsupported_media_type);
  EXPECT_NE(form.error().detail.find("-H 'Content-Type: application/json'"), std::string::npos);
  EXPECT_TRUE(read("{}", "", "Application/JSON ; charset=utf-8"));
  EXPECT_TRUE(read("", "", "application/x-www-form-urlencoded")) << "there is no body";
}

TEST(TheQuery, StandsForTheBodysFields) {
  EXPECT_EQ(read("", "?deadline_s=7&on=no")->at("on"), false);
  EXPECT_EQ(refusal(R"({"deadline_s":7})", "?deadline_s=7"),
            "deadline_s is given in the query and in the body.");
  EXPECT_EQ(refusal("", "?deadline_s=7x"), "deadline_s has to be a whole number from 1 to 100.");
  EXPECT_EQ(refusal("", "?services=a"), "services belongs into the body.");
}

TEST(TheQuery, IsCheckedAgainstWhatIsKnown) {
  const auto check = [](const char* target) {
    const auto checked = check_query(make_request("GET", target), "wait strict dry_run");
    return checked ? "fine" : checked.error().detail;
  };
  EXPECT_EQ(check("/?wait=1&strict"), "fine");
  EXPECT_EQ(check("/?wiat=1"), "Unknown query parameter \"wiat\"; did you mean wait?");
  EXPECT_EQ(check("/?wait=1&wait=2"), "The query parameter \"wait\" is there more than once.");
  EXPECT_EQ(check_query(make_request("GET", "/?x=1"), "").error().detail,
            "Unknown query parameter \"x\"; there are none here.");
}

TEST(AFlag, IsOneOfThreeWordsEitherWay) {
  const auto flag = [](const char* target) { return query_flag(make_request("GET", target), "f"); };
  for (const char* yes : {"/?f", "/?f=1", "/?f=true", "/?f=yes"})
    EXPECT_TRUE(*flag(yes)) << yes;
  for (const char* no : {"/", "/?f=0", "/?f=false", "/?f=no"})
    EXPECT_FALSE(*flag(no)) << no;
  EXPECT_FALSE(flag("/?f=maybe"));
}

TEST(Waiting, ComesFromTheQueryOrFromPrefer) {
  const auto waiting = [](const char* target, Fields headers = {}) {
    return *read_waiting(make_request("POST", target, std::move(headers)), Seconds{300});
  };
  EXPECT_EQ(waiting("/").patience, Seconds{0});
  EXPECT_EQ(waiting("/?wait=5").patience, Seconds{5});
  EXPECT_EQ(waiting("/?wait=1000").patience, Seconds{300});
  EXPECT_EQ(waiting("/?strict=1").patience, Seconds{300});
  EXPECT_EQ(waiting("/?strict=1&wait=2").patience, Seconds{2});
  const Waiting preferred = waiting("/", {{"Prefer", "respond-async, wait=\"7\"; x=1"}});
  EXPECT_EQ(preferred.patience, Seconds{7});
  EXPECT_TRUE(preferred.preference);
  EXPECT_EQ(waiting("/?wait=1", {{"Prefer", "wait=7"}}).patience, Seconds{1});
  EXPECT_EQ(waiting("/", {{"Prefer", "wait=soon"}}).patience, Seconds{0});
  EXPECT_EQ(waiting("/", {{"Prefer", "wait=99999999999"}}).patience, Seconds{300});
  EXPECT_FALSE(read_waiting(make_request("POST", "/?wait=-1"), Seconds{300}));
}

TEST(AnIdempotencyKey, IsQuotedOrBare) {
  const auto key = [](const std::string& value) {
    return idempotency_key(Fields{{"Idempotency-Key", value}});
  };
  EXPECT_EQ(**key("deploy-4711"), "deploy-4711");
  EXPECT_EQ(**key("\"deploy-4711\""), "deploy-4711");
  EXPECT_EQ(**key(R"("a\"b\\c")"), R"(a"b\c)");
  EXPECT_FALSE(idempotency_key({})->has_value());
  EXPECT_TRUE(key(std::string(255, 'x')));
  for (const std::string& wrong :
       {std::string(), std::string(256, 'x'), std::string("a b"), std::string("\"a"),
        std::string("\"a\"b"), std::string("\"\""), std::string("\xc3\xa9"), std::string("\"a\\")})
    EXPECT_FALSE(key(wrong)) << wrong;
  EXPECT_FALSE(idempotency_key(Fields{{"Idempotency-Key", "a"}, {"idempotency-key", "a"}}));
}

TEST(APageToken, ComesBackAsItWasOrNotAtAll) {
  const std::string token = make_page_token("s", "w3svc");
  const auto read_back = [](const std::string& text, const char* kind) {
    return read_page_token(make_request("GET", "/?page_token=" + text), kind);
  };
  EXPECT_EQ(**read_back(token, "s"), "w3svc");
  EXPECT_FALSE(read_page_token(make_request("GET", "/"), "s")->has_value());
  for (const std::string& wrong : {std::string(), std::string("x"), std::string("!!"), token + "A",
                                   make_page_token("j", "w3svc"), make_page_token("s", "")})
    EXPECT_FALSE(read_back(wrong, "s")) << wrong;
}

TEST(ATimeInTheQuery, MayHaveAnUnescapedPlus) {
  EXPECT_TRUE(**query_time(make_request("GET", "/?since=2026-11-23T00:10:02%2B01:00"), "since") ==
              **query_time(make_request("GET", "/?since=2026-11-23T00:10:02+01:00"), "since"));
  EXPECT_FALSE(query_time(make_request("GET", "/?since=yesterday"), "since"));
}

}  // namespace
}  // namespace noforce::api
