#include "tests/fuzz/support/answer.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

using Json = nlohmann::json;

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void expect_header_fields(const api::Response& response) {
  expect(is_plain(response.content_type), "Content-Type is visible ASCII", response.content_type);
  for (const api::Field& field : response.headers) {
    expect(!field.name.empty() && is_plain(field.name) &&
               field.name.find_first_of(" :") == std::string::npos,
           "a header field's name is a word", field.name);
    expect(is_plain(field.value), "a header field's value is visible ASCII", field.value);
  }
}

void expect_problem(const api::Response& response, const Json& body) {
  expect(body.is_object(), "a problem is an object", response.body);
  for (const char* const name : {"type", "title", "code", "detail"})
    expect(body.contains(name) && body[name].is_string() && !body[name].get<std::string>().empty(),
           "a problem has type, title, code and detail", response.body);
  expect(body.contains("status") && body["status"] == response.status,
         "a problem has its response's status", response.body);
  expect(body["type"] == "/problems/" + body["code"].get<std::string>(),
         "a problem's type is that of its code", response.body);
}

}  // namespace

void expect_well_formed(const api::Response& response) {
  expect(response.status >= 200 && response.status <= 599, "the status is one that ends a request");
  // 500 is what an exception ends in.
  expect(response.status != 500, "nothing fails inside", response.body);
  expect_header_fields(response);
  if (response.stream) return;
  if (response.content_type.empty()) {
    expect(response.body.empty(), "a body says what it is", response.body);
    expect(response.status < 400, "a refusal says why");
    return;
  }
  const bool is_problem = response.content_type == "application/problem+json";
  if (is_problem || response.content_type == "application/json") {
    const Json body = Json::parse(response.body, nullptr, false);
    expect(!body.is_discarded(), "JSON parses", response.body);
    if (is_problem) expect_problem(response, body);
  } else {
    expect(is_valid_utf8(response.body), "text is UTF-8", response.body);
  }
  if (response.content_type.starts_with("text/plain")) {
    std::string lines = response.body;
    std::erase(lines, '\n');
    expect(clean_text(lines, lines.size()) == lines, "text moves no cursor", response.body);
  }
  expect(is_problem || response.status < 400 || response.status == 424, "a refusal is a problem",
         response.body);
}

void expect_well_formed(const api::Problem& problem) {
  const char end = problem.detail.empty() ? ' ' : problem.detail.back();
  expect(problem.detail.size() > 10 && (end == '.' || end == '?'),
         "a problem's detail is a sentence", problem.detail);
  expect_well_formed(api::to_response(problem));
}

}  // namespace noforce::fuzz
