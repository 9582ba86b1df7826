// What a service says over sd_notify, which anybody in its process tree may write.
#include "core/scm/supervisor/notify.hpp"

#include <string>

#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

using supervisor::Notification;

std::string written(const Notification& said) {
  std::string text;
  if (said.ready) text += "READY=1\n";
  if (said.stopping) text += "STOPPING=1\n";
  if (said.reloading) text += "RELOADING=1\n";
  if (said.status) text += "STATUS=" + *said.status + "\n";
  if (said.main_pid) text += "MAINPID=" + std::to_string(*said.main_pid) + "\n";
  if (said.extend)
    text += "EXTEND_TIMEOUT_USEC=" + std::to_string(said.extend->count() * 1000) + "\n";
  return text;
}

void fuzz_notify(std::string_view input) {
  const auto said = supervisor::parse_notification(input);
  if (!said) return;
  expect(input.size() <= supervisor::kMaxNotify, "a message is no longer than it may be");
  if (said->status) {
    expect(is_valid_utf8(*said->status), "a status is UTF-8", *said->status);
    expect(said->status->find('\n') == std::string::npos, "a status is one line", *said->status);
    expect(said->status->size() <= 4 * supervisor::kMaxStatusText, "a status is bounded");
  }
  if (said->main_pid)
    expect(*said->main_pid > 1 && *said->main_pid <= 0x7fffffff, "MAINPID is a process");
  if (said->extend)
    expect(*said->extend >= Milliseconds{0} && *said->extend <= supervisor::kMaxWaitHint,
           "a wait hint is bounded");
  const auto again = supervisor::parse_notification(written(*said));
  expect(again == said, "what was understood means the same when it is said again", written(*said));
}

const Registration registered("notify", fuzz_notify);

}  // namespace
}  // namespace noforce::fuzz
