#include "api/server/head.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace noforce::api {
namespace {

bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

// Some decoder further on might turn these into line breaks; none of the fields that are used
// here needs them.
bool has_escaped_control(std::string_view text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    const std::string_view escape = text.substr(at, 3);
    if (same_word(escape, "%0a") || same_word(escape, "%0d") || escape == "%00") return true;
  }
  return false;
}

// Browsers send these by themselves, with whatever is in them; nobody here reads them.
bool is_never_used(std::string_view name) {
  return same_word(name, "Cookie") || same_word(name, "Referer");
}

bool names_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (same_word(trim(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool is_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A name or an address, and perhaps a port: "agent.example.org:8443", "[::1]". Whose it is, the
// face knows; here nothing gets through that somebody might take for another host than it does.
bool is_host(std::string_view text) {
  static constexpr std::string_view kMarks = "-._~";
  const bool bracketed = text.starts_with('[');
  const auto end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && end == std::string_view::npos) return false;
  const std::string_view name = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  const bool clean = std::all_of(name.begin(), name.end(), [bracketed](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos || (bracketed && c == ':');
  });
  if (name.empty() || !clean) return false;
  std::string_view port = end == std::string_view::npos ? "" : text.substr(end + bracketed);
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  port.remove_prefix(1);
  return port.size() <= 5 && is_digits(port) && (port.size() < 5 || port <= "65535");
}

bool starts_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && same_word(text.substr(0, word.size()), word);
}

std::expected<void, Problem> parse_request_line(Head& head, std::string_view line,
                                                const ServerLimits& limits) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return std::unexpected(face_problem(
        400, "The request line has to be a method, a path and HTTP/1.1, one space between each."));
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(head.method) || head.method.size() > 20)
    return std::unexpected(
        face_problem(400, "The request's method has to be a word, such as GET or POST."));
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool is_http = version.starts_with("HTTP/");
    return std::unexpected(
        face_problem(is_http ? 505 : 400, "The agent speaks HTTP/1.1 over TLS; ask it in that."));
  }
  head.is_http11 = version == "HTTP/1.1";
  head.keep_alive = head.is_http11;
  if (head.target.size() > limits.target_bytes)
    return std::unexpected(face_problem(414, "The path and query may have at most " +
                                                 std::to_string(limits.target_bytes) + " bytes."));
  const bool clean = std::all_of(head.target.begin(), head.target.end(),
                                 [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (head.target.empty() || head.target.front() != '/' || !clean)
    return std::unexpected(
        face_problem(400,
                     "The request's target has to be a path in visible ASCII; write anything "
                     "else as %XX."));
  return {};
}

std::expected<void, Problem> take_content_length(Head& head, std::string_view value, bool again) {
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (value.empty() || error != std::errc() || end != value.data() + value.size())
    return std::unexpected(face_problem(
        400, "Content-Length has to be the number of the body's bytes in decimal digits."));
  if (again) return std::unexpected(face_problem(400, "Content-Length may be there only once."));
  head.content_length = length;
  return {};
}

}  // namespace

std::expected<Head, Problem> parse_head(std::string_view block, const ServerLimits& limits) {
  Head head;
  bool has_length = false;
  bool has_type = false;
  std::size_t hosts = 0;
  bool first_line = true;
  while (!block.empty()) {
    const auto end = block.find("\r\n");
    if (end == std::string_view::npos)
      return std::unexpected(face_problem(400, "A line of the header does not end in CR LF."));
    const std::string_view line = block.substr(0, end);
    block.remove_prefix(end + 2);
    if (line.empty()) break;
    if (first_line) {
      first_line = false;
      if (auto parsed = parse_request_line(head, line, limits); !parsed)
        return std::unexpected(parsed.error());
      continue;
    }
    const auto colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || !is_token(name))
      return std::unexpected(face_problem(
          400, "Each header field is a name, a colon and a value on one line of its own."));
    const std::string_view value = trim(line.substr(colon + 1));
    if (has_control(value) || (!is_never_used(name) && has_escaped_control(value)))
      return std::unexpected(
          face_problem(400, "The header field " + std::string(name.substr(0, 60)) +
                                " has a control character in it, escaped or not; leave it out."));
    if (head.fields.size() == limits.header_fields)
      return std::unexpected(face_problem(431, "A request may have at most " +
                                                   std::to_string(limits.header_fields) +
                                                   " header fields."));
    head.fields.emplace_back(name, value);

    if (same_word(name, "Host")) {
      if (!is_host(value))
        return std::unexpected(face_problem(
            400, "The Host field has to be a name or an address, with a port or without."));
      ++hosts;
    } else if (same_word(name, "Content-Length")) {
      if (auto taken = take_content_length(head, value, has_length); !taken)
        return std::unexpected(taken.error());
      has_length = true;
    } else if (same_word(name, "Transfer-Encoding")) {
      return std::unexpected(face_problem(
          501, "Transfer-Encoding is not taken; send the body with its Content-Length."));
    } else if (same_word(name, "Content-Encoding") && !same_word(value, "identity")) {
      return std::unexpected(to_problem(
          Error{.kind = ErrorKind::unsupported_media_type,
                .detail = "Content-Encoding is not taken; send the body as plain JSON."}));
    } else if (same_word(name, "Content-Type")) {
      if (has_type)
        return std::unexpected(face_problem(400, "Content-Type may be there only once."));
      has_type = true;
      if (!starts_with_word(value, "multipart/")) continue;
      return std::unexpected(to_problem(
          Error{.kind = ErrorKind::unsupported_media_type,
                .detail = "Multipart bodies are not taken; send JSON with -H 'Content-Type: "
                          "application/json'."}));
    } else if (same_word(name, "Expect")) {
      return std::unexpected(
          face_problem(417, "Expect is not taken; send the body at once (curl: -H 'Expect:')."));
    } else if (same_word(name, "Connection") && names_word(value, "close")) {
      head.keep_alive = false;
    }
  }
  if (first_line)
    return std::unexpected(face_problem(
        400, "The request line is missing; a request begins with a method, a path and HTTP/1.1."));
  if (hosts != 1)
    return std::unexpected(face_problem(400, "A request needs exactly one Host field."));
  if (head.content_length > limits.body_bytes)
    return std::unexpected(to_problem(
        Error{.kind = ErrorKind::too_large,
              .detail = "A body may have at most " + std::to_string(limits.body_bytes) +
                        " bytes; this one has " + std::to_string(head.content_length) + "."}));
  return head;
}

}  // namespace noforce::api
