#include "core/scm/supervisor/notify.hpp"

#include <algorithm>

#include "core/scm/supervisor/number.hpp"
#include "core/text.hpp"

namespace noforce::supervisor {
namespace {

// Takes one line; false when it says nothing that counts.
bool take(std::string_view key, std::string_view value, Notification& out) {
  if (key == "READY" && value == "1") {
    out.ready = true;
  } else if (key == "STOPPING" && value == "1") {
    out.stopping = true;
  } else if (key == "RELOADING" && value == "1") {
    out.reloading = true;
  } else if (key == "STATUS") {
    out.status = clean_text(value, kMaxStatusText);
  } else if (key == "MAINPID") {
    const auto pid = to_number<std::uint64_t>(value);
    if (!pid || *pid < 2 || *pid > 0x7fffffff) return false;
    out.main_pid = static_cast<std::int64_t>(*pid);
  } else if (key == "EXTEND_TIMEOUT_USEC") {
    const auto usec = to_number<std::uint64_t>(value);
    if (!usec) return false;
    out.extend = Milliseconds(static_cast<std::int64_t>(
        std::min<std::uint64_t>(*usec / 1000, static_cast<std::uint64_t>(kMaxWaitHint.count()))));
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<Notification> parse_notification(std::string_view message) {
  if (message.size() > kMaxNotify) return std::nullopt;
  Notification out;
  bool counts = false;
  while (!message.empty()) {
    const auto line = message.substr(0, message.find('\n'));
    message.remove_prefix(std::min(message.size(), line.size() + 1));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    counts |= take(line.substr(0, equals), line.substr(equals + 1), out);
  }
  if (!counts) return std::nullopt;
  return out;
}

}  // namespace noforce::supervisor
