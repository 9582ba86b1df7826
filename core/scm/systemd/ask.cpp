#include "core/scm/systemd/ask.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace noforce::systemd {

Result<Value::List> ask(const OpenWire& open, Call call) {
  // Of our own: before the connection is made, the call's does not count.
  const MonoTime until = system_clock().mono() + call.patience;
  auto wire = open({});
  if (!wire) return std::unexpected(wire.error());
  std::optional<CallReply> reply;
  (*wire)->call(std::move(call), [&reply](CallReply said) { reply = std::move(said); });
  while ((*wire)->process() && !reply) {
    const MonoTime now = system_clock().mono();
    if (now >= until) return fail(ErrorKind::timeout, "systemd does not answer");
    const MonoTime next = std::min((*wire)->due().value_or(until), until);
    const auto left = std::max(std::chrono::ceil<Milliseconds>(next - now), Milliseconds(0));
    pollfd wait{.fd = (*wire)->descriptor(), .events = (*wire)->events(), .revents = 0};
    (void)::poll(&wait, 1, static_cast<int>(left.count()));
  }
  if (!reply) return fail(ErrorKind::scm_unavailable, "systemd went away while it was asked");
  if (!*reply) return fail(ErrorKind::scm_failure, "systemd says: " + reply->error().message);
  return std::move(**reply);
}

}  // namespace noforce::systemd
