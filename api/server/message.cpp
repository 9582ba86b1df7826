#include "api/server/message.hpp"

#include <algorithm>

#include "core/digest.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

constexpr std::size_t kMostParameters = 64;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  bool beyond_ascii = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
      // Line breaks and tabs may stand in a reason; it is cleaned where it is taken.
      const auto byte = static_cast<unsigned char>(c);
      if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f)
        return std::nullopt;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    beyond_ascii = beyond_ascii || static_cast<unsigned char>(c) >= 0x80;
    out += c;
  }
  if (beyond_ascii && !is_valid_utf8(out)) return std::nullopt;
  return out;
}

// However a value came about: no field of a request or an answer goes on in a second line.
std::string on_one_line(std::string value) {
  std::replace_if(
      value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return value;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* Fields::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (same_word(field.name, name)) return &field.value;
  }
  return nullptr;
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(), [&](const Field& f) { return same_word(f.name, name); }));
}

void Fields::add(std::string name, std::string value) {
  fields_.push_back({std::move(name), on_one_line(std::move(value))});
}

void Fields::forget(std::string_view name) {
  for (Field& field : fields_) {
    if (same_word(field.name, name)) wipe(field.value);
  }
  std::erase_if(fields_, [&](const Field& f) { return same_word(f.name, name); });
}

void Fields::set(std::string_view name, std::string value) {
  std::erase_if(fields_, [&](const Field& f) { return same_word(f.name, name); });
  fields_.push_back({std::string(name), on_one_line(std::move(value))});
}

Result<void> set_target(Request& request, std::string_view target) {
  request.segments.clear();
  request.query.clear();
  const auto question = target.find('?');
  const std::string_view path = target.substr(0, question);
  if (path.empty() || path.front() != '/')
    return fail(ErrorKind::malformed, "The request's target has to be a path that begins with /.");
  request.path = std::string(path);

  for (std::size_t at = 1; path.size() > 1;) {
    const auto slash = path.find('/', at);
    auto segment = percent_decode(path.substr(at, slash - at), false);
    if (!segment)
      return fail(ErrorKind::malformed,
                  "The path has a % that is not followed by two hex digits, an escaped control "
                  "character, or is not UTF-8.");
    request.segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) break;
    at = slash + 1;
  }

  std::string_view rest = question == std::string_view::npos ? "" : target.substr(question + 1);
  while (!rest.empty()) {
    const auto ampersand = rest.find('&');
    const std::string_view pair = rest.substr(0, ampersand);
    rest = ampersand == std::string_view::npos ? "" : rest.substr(ampersand + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : percent_decode(pair.substr(equals + 1), true);
    if (!name || !value)
      return fail(ErrorKind::malformed,
                  "The query has a % that is not followed by two hex digits, an escaped control "
                  "character, or is not UTF-8.");
    if (request.query.size() == kMostParameters)
      return fail(ErrorKind::malformed, "The query has more than 64 parameters.");
    request.query.push_back({std::move(*name), std::move(*value)});
  }
  return {};
}

}  // namespace noforce::api
