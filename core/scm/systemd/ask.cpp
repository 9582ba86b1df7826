#include "core/scm/systemd/ask.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace noforce::systemd {

Result<Value::List> ask(const OpenWire& open, Call call) {
  auto wire = open([](const Signal&) {});
  if (!wire) return std::unexpected(wire.error());
  std::optional<CallReply> reply;
  (*wire)->call(std::move(call), [&reply](CallReply said) { reply = std::move(said); });
  while ((*wire)->process() && !reply) {
    int patience = -1;
    if (const auto due = (*wire)->due()) {
      const auto left = std::chrono::ceil<Milliseconds>(*due - system_clock().mono()).count();
      patience = static_cast<int>(std::max<std::int64_t>(left, 0));
    }
    pollfd wait{.fd = (*wire)->descriptor(), .events = (*wire)->events(), .revents = 0};
    (void)::poll(&wait, 1, patience);
  }
  if (!reply) return fail(ErrorKind::scm_unavailable, "systemd went away while it was asked");
  if (!*reply) return fail(ErrorKind::scm_failure, "systemd says: " + reply->error().message);
  return std::move(**reply);
}

}  // namespace noforce::systemd
