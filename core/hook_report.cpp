#include "core/hook_report.hpp"

#include "core/text.hpp"

namespace noforce {
namespace {

constexpr std::size_t most_output = 4096;
constexpr std::size_t longest_line = 200;

std::string last_line_of(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.remove_suffix(1);
  const std::size_t line_break = text.rfind('\n');
  if (line_break != std::string_view::npos) text.remove_prefix(line_break + 1);
  return clean_text(text, longest_line);
}

}  // namespace

void HookReport::add_output(std::string_view printed) {
  tail_.append(printed);
  if (tail_.size() > most_output) tail_.erase(0, tail_.size() - most_output);
}

Error HookReport::failed(const std::string& service, const std::string& how) const {
  Error error{.kind = ErrorKind::hook_failed,
              .detail = "the hook '" + program_ + "' of " + service + " " + how,
              .service = service};
  if (const std::string line = last_line_of(tail_); !line.empty()) error.detail += ": " + line;
  return error;
}

}  // namespace noforce
