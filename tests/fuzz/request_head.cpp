// A request's head: what the server reads before any library does, and the target in it.
#include <algorithm>
#include <string>

#include "api/server/head.hpp"
#include "api/server/message.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/answer.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

std::string escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

void check_target(std::string_view target) {
  api::Request request;
  const auto taken = api::set_target(request, target);
  if (!taken) return expect_well_formed(api::to_problem(taken.error()));

  std::string again;
  for (const std::string& segment : request.segments) {
    expect(is_valid_utf8(segment), "a segment of the path is UTF-8", segment);
    again += "/" + escaped(segment);
  }
  if (again.empty()) again = "/";
  char before = '?';
  for (const api::Field& parameter : request.query) {
    expect(is_valid_utf8(parameter.name) && is_valid_utf8(parameter.value), "the query is UTF-8");
    again += before + escaped(parameter.name) + "=" + escaped(parameter.value);
    before = '&';
  }
  api::Request escaped_request;
  expect(api::set_target(escaped_request, again).has_value(), "what was read can be written",
         again);
  expect(escaped_request.segments == request.segments && escaped_request.query == request.query,
         "a target escaped throughout means the same", again);
}

// The one way to write what was read; whoever reads it has to find the same.
std::string written(const api::Head& head) {
  std::string block(head.method);
  block.append(" ").append(head.target).append(" HTTP/1.1\r\n");
  for (const auto& [name, value] : head.fields)
    block.append(name).append(": ").append(value).append("\r\n");
  return block + "\r\n";
}

void fuzz_request_head(std::string_view input) {
  const api::ServerLimits limits;
  const std::string_view block = input.substr(0, limits.head_bytes);
  const auto head = api::parse_head(block, limits);
  if (!head) return expect_well_formed(head.error());

  expect(head->content_length <= limits.body_bytes, "a body is no longer than it may be");
  expect(head->fields.size() <= limits.header_fields, "there are no more fields than may be");
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  for (const auto& [name, value] : head->fields) {
    expect(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
           "no field holds a line break or a NUL", value);
    expect(!api::same_word(name, "Transfer-Encoding"), "no body has an end of its own");
    hosts += api::same_word(name, "Host") ? 1 : 0;
    lengths += api::same_word(name, "Content-Length") ? 1 : 0;
  }
  expect(hosts == 1 && lengths <= 1, "Host is there once, Content-Length at most once");

  const std::string again_text = written(*head);
  const auto again = api::parse_head(again_text, limits);
  expect(again.has_value(), "what was read can be written", again_text);
  expect(again->method == head->method && again->target == head->target &&
             again->fields == head->fields && again->content_length == head->content_length,
         "a head written anew means the same", again_text);
  check_target(head->target);
}

const Registration registered("request_head", fuzz_request_head);

}  // namespace
}  // namespace noforce::fuzz
