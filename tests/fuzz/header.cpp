// The header fields and query parameters that mean something: "Name: value" lines; a line without a
// colon is a query.
#include <string>

#include "api/authentication.hpp"
#include "api/input.hpp"
#include "api/negotiation.hpp"
#include "core/ulid.hpp"
#include "tests/fuzz/support/answer.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

template <typename T>
void expect_value_or_problem(const Result<T>& result) {
  if (!result) expect_well_formed(api::to_problem(result.error()));
}

void check_authorization(const api::Request& request) {
  const auto token = api::bearer_token(request.headers);
  expect_value_or_problem(token);
  if (!token) return expect(token.error().kind == ErrorKind::unauthorized, "no token is a 401");
  expect(!token->empty() && token->size() <= 512, "a token is bounded", *token);
  expect(token->find_first_of(" \t\"") == std::string_view::npos, "a token is one word", *token);
}

void check_negotiation(const api::Request& request) {
  expect_value_or_problem(api::wanted_format(request));
  (void)api::accepts(request, "text/event-stream");
  const std::string tag = api::weak_etag("w3svc");
  const bool known = api::is_not_modified(request, tag);
  const api::Response answer = api::with_etag(request, api::json_response(200, "{}"), tag);
  expect(answer.status == (known ? 304 : 200), "who has it already gets 304");
  expect_well_formed(answer);
}

void check_waiting(const api::Request& request) {
  constexpr Seconds kMost{300};
  const auto waiting = api::read_waiting(request, kMost);
  expect_value_or_problem(waiting);
  if (!waiting) return;
  expect(waiting->patience >= Seconds{0} && waiting->patience <= kMost, "a wait is bounded");
  expect(!waiting->preference || waiting->asked, "a preference is a wish");
}

void check_times(const api::Request& request) {
  const auto since = api::query_time(request, "since");
  expect_value_or_problem(since);
  if (since && *since) {
    const std::string text = to_rfc3339(**since);
    const auto again = from_rfc3339(text);
    expect(again.has_value(), "a time that was written can be read", text);
    // What four digits of a year cannot say is written as the nearest that they can.
    if (text.substr(0, 4) != "0000" && text.substr(0, 4) != "9999")
      expect(again == **since, "a time that was written is the same", text);
    expect(is_ulid(first_ulid_at(**since)), "each time has its first identifier", text);
  }
  if (const std::string* const id = api::query_value(request, "id"); id != nullptr && is_ulid(*id))
    expect(id->size() == 26 && *id <= "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "an identifier fits 128 bits",
           *id);
}

void check_key(const api::Request& request) {
  const auto key = api::idempotency_key(request.headers);
  expect_value_or_problem(key);
  if (!key || !*key) return;
  expect(!(*key)->empty() && (*key)->size() <= 255, "a key is bounded", **key);
  for (const char c : **key)
    expect(c > 0x20 && c < 0x7f, "a key is visible ASCII", **key);
}

void check_host(const api::Request& request) {
  if (!api::is_host_ours(request, {"agent.example", "*.cluster.example"})) return;
  const std::string* const host = request.headers.find("Host");
  expect(host != nullptr, "a request without a host is not for us");
  const std::string_view name = std::string_view(*host).substr(0, host->find(':'));
  const bool ours = host->front() == '[' || host->starts_with("192.0.2.2") ||
                    api::same_word(name, "agent.example") ||
                    api::same_word(name, "agent.example.") || name.size() > 16;
  expect(ours, "a host that is ours is one of ours", *host);
}

void fuzz_header(std::string_view input) {
  api::Request request;
  request.local_address = "192.0.2.2";
  Input in(input);
  while (!in.empty()) {
    const std::string_view line = in.line();
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
      if (auto taken = api::set_target(request, "/?" + std::string(line)); !taken)
        expect_value_or_problem(taken);
      continue;
    }
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' '))
      value.remove_prefix(1);
    request.headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
  check_authorization(request);
  check_negotiation(request);
  check_waiting(request);
  check_times(request);
  check_key(request);
  check_host(request);
  expect_value_or_problem(api::read_limit(request));
  expect_value_or_problem(api::check_query(request, "wait strict since id limit"));
}

const Registration registered("header", fuzz_header);

}  // namespace
}  // namespace noforce::fuzz
