// Where a list is to go on: `page_token`, of the lists of jobs, services and audit rows. The first
// line is a token as a client sends it, the rest what a page may have ended with.
#include <string>

#include "api/input.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/answer.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

constexpr std::string_view kKinds[] = {"j", "s", "a"};

api::Request asking(std::string token) {
  api::Request request;
  request.query.push_back({"page_token", std::move(token)});
  return request;
}

void check_read(std::string_view token) {
  std::size_t fits = 0;
  for (const std::string_view kind : kKinds) {
    const auto last = api::read_page_token(asking(std::string(token)), kind);
    if (!last) {
      expect_well_formed(api::to_problem(last.error()));
      continue;
    }
    ++fits;
    expect(last->has_value() && !(*last)->empty(), "a token says where the page ended");
    expect(is_valid_utf8(**last), "where a page ended is text", **last);
    expect(api::make_page_token(kind, **last) == token, "a token is the one that was given out",
           token);
  }
  expect(fits <= 1, "a token belongs to one list", token);
}

void check_made(std::string_view last) {
  if (last.empty() || last.size() > 200 || clean_text(last, last.size()) != last) return;
  for (const std::string_view kind : kKinds) {
    const auto read = api::read_page_token(asking(api::make_page_token(kind, last)), kind);
    expect(read.has_value() && read->has_value() && **read == last, "a token leads back", last);
  }
}

void fuzz_page_token(std::string_view input) {
  Input in(input);
  check_read(in.line());
  check_made(in.rest());
}

const Registration registered("page_token", fuzz_page_token);

}  // namespace
}  // namespace noforce::fuzz
