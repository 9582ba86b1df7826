// A line on the local socket, in the name of root: one answer line, and a state as it was before.
#include "agent/administration.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"
#include "tests/fuzz/support/house.hpp"

namespace noforce::fuzz {
namespace {

using Json = nlohmann::json;

// A new one from time to time: each token that is made stays in its journal.
House& house() {
  constexpr std::size_t kMostTokens = 64;
  static std::unique_ptr<House> made;
  if (!made || made->credentials().list().size() > kMostTokens) {
    made.reset();
    made = std::make_unique<House>();
  }
  return *made;
}

void check_token(const Json& result) {
  const auto secret = result["secret"].get<std::string>();
  const auto owner = house().credentials().check(secret);
  expect(owner.has_value(), "a token that was made is one");
  const auto name = result["name"].get<std::string>();
  expect(clean_text(name, 64) == name && !name.empty(), "a token's name is a name", name);
  for (const Json& glob : result["services"]) {
    const auto text = glob.get<std::string>();
    expect(clean_text(text, text.size()) == text, "a token's glob is clean text", text);
  }
}

void fuzz_administration(std::string_view input) {
  const agent::AdministrationParts parts{
      .journal = house().journal(),
      .credentials = house().credentials(),
      .jobs = &house().jobs(),
      .reload = [](const std::string&) { return Result<std::string>("nothing changed"); },
      .hold_released = {}};
  const std::string line = agent::administer(parts, "root", input);
  expect(line.find('\n') == std::string::npos && is_valid_utf8(line), "an answer is one line",
         line);
  const Json answer = Json::parse(line, nullptr, false);
  expect(answer.is_object() && answer.contains("ok") && answer["ok"].is_boolean(),
         "an answer is JSON", line);
  if (answer["ok"] == false) {
    const Json& error = answer["error"];
    expect(error["code"].is_string() && error["detail"].get<std::string>().size() > 10,
           "a refusal says why", line);
    return expect(error["code"] != "internal", "nothing fails inside", line);
  }
  expect(answer.contains("result"), "an answer has its result", line);
  if (answer["result"].is_object() && answer["result"].contains("secret"))
    check_token(answer["result"]);
}

const Registration registered("administration", fuzz_administration);

}  // namespace
}  // namespace noforce::fuzz
