#include "core/scm/systemd/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace noforce::systemd {
namespace {

constexpr std::string_view kUnits = "/org/freedesktop/systemd1/unit/";
constexpr std::string_view kJobs = "/org/freedesktop/systemd1/job/";
constexpr std::array<std::string_view, 11> kTypes{"service", "socket", "target",   "timer",
                                                  "path",    "mount",  "scope",    "slice",
                                                  "swap",    "device", "automount"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string_view type_of(std::string_view unit) {
  const auto dot = unit.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : unit.substr(dot + 1);
}

bool is_unit_name(std::string_view text) {
  constexpr std::size_t longest = 255;
  constexpr std::string_view also = ":-_.\\@";
  if (text.size() > longest || text.empty() || text.front() == '.') return false;
  if (std::ranges::find(kTypes, type_of(text)) == kTypes.end()) return false;
  return std::ranges::all_of(text, [&](char c) {
    return is_letter(c) || is_digit(c) || also.find(c) != std::string_view::npos;
  });
}

bool is_template(std::string_view unit) {
  const auto at = unit.find('@');
  return at != std::string_view::npos && at + 1 < unit.size() && unit[at + 1] == '.' &&
         unit.rfind('.') == at + 1;
}

std::string with_type(std::string_view spelling) {
  const bool typed = std::ranges::find(kTypes, type_of(spelling)) != kTypes.end();
  return typed ? std::string(spelling) : std::string(spelling) + ".service";
}

std::string object_path(std::string_view unit) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out(kUnits);
  if (unit.empty()) out += '_';
  bool first = true;
  for (const char c : unit) {
    if (is_letter(c) || (is_digit(c) && !first)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '_';
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
    }
    first = false;
  }
  return out;
}

std::optional<std::string> unit_of_path(std::string_view path) {
  if (!path.starts_with(kUnits)) return std::nullopt;
  path.remove_prefix(kUnits.size());
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '_') {
      out += path[i];
      continue;
    }
    unsigned byte = 0;
    const std::string digits(path.substr(i + 1, 2));
    const char* const end = digits.data() + digits.size();
    if (digits.size() != 2 || std::from_chars(digits.data(), end, byte, 16).ptr != end) {
      return std::nullopt;
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  if (!is_unit_name(out)) return std::nullopt;
  return out;
}

std::uint64_t job_of_path(std::string_view path) {
  if (!path.starts_with(kJobs)) return 0;
  const std::string digits(path.substr(kJobs.size()));
  std::uint64_t job = 0;
  const char* const end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, job).ptr == end ? job : 0;
}

}  // namespace noforce::systemd
