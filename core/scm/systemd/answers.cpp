#include "core/scm/systemd/answers.hpp"

#include <array>
#include <string_view>

#include "core/text.hpp"

namespace noforce::systemd {
namespace {

struct Meaning {
  std::string_view name;
  ErrorKind kind;
  std::string_view next;  // what to do
};

constexpr std::array kMeanings{
    Meaning{"org.freedesktop.systemd1.NoSuchUnit", ErrorKind::unknown_service,
            "Look for its name with `systemctl list-unit-files`."},
    Meaning{"org.freedesktop.systemd1.LoadFailed", ErrorKind::scm_failure,
            "`systemctl status` says what is wrong with its unit file."},
    Meaning{"org.freedesktop.systemd1.BadUnitSetting", ErrorKind::scm_failure,
            "`systemctl status` says what is wrong with its unit file."},
    Meaning{"org.freedesktop.systemd1.UnitMasked", ErrorKind::service_disabled,
            "Unmask it first (`systemctl unmask`)."},
    Meaning{"org.freedesktop.systemd1.JobTypeNotApplicable", ErrorKind::control_not_accepted,
            "This unit does not take that control."},
    Meaning{
        "org.freedesktop.systemd1.OnlyByDependency", ErrorKind::control_not_accepted,
        "Its unit file allows that only as a dependency (RefuseManualStart, RefuseManualStop)."},
    Meaning{"org.freedesktop.systemd1.TransactionIsDestructive", ErrorKind::busy,
            "Another job of systemd is in the way; see `systemctl list-jobs`."},
    Meaning{"org.freedesktop.systemd1.TransactionJobsConflicting", ErrorKind::busy,
            "Jobs of systemd contradict each other; see `systemctl list-jobs`."},
    Meaning{"org.freedesktop.systemd1.TransactionOrderIsCyclic", ErrorKind::dependency_cycle,
            "Its unit files order each other in a circle; `systemd-analyze verify` names it."},
    Meaning{"org.freedesktop.systemd1.ShuttingDown", ErrorKind::scm_failure,
            "The machine, or the user's manager, is shutting down."},
    Meaning{"org.freedesktop.DBus.Error.AccessDenied", ErrorKind::access_denied,
            "The agent needs to run as root, or a polkit rule for its user."},
    Meaning{"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", ErrorKind::access_denied,
            "The agent needs to run as root, or a polkit rule for its user."},
    Meaning{"org.freedesktop.DBus.Error.LimitsExceeded", ErrorKind::busy,
            "systemd has too much to do at the moment."},
};

}  // namespace

Error error_of(const CallError& told, const std::string& what, const std::string& service) {
  Error error{.kind = ErrorKind::scm_failure, .service = service};
  error.native_name = clean_text(told.name, 128);
  if (told.number != 0) error.native_code = told.number;
  std::string_view next;
  if (told.unknown_effect) {
    error.kind = ErrorKind::timeout;
    error.effect = Effect::unknown;
    next = "Whether it was done shows in what the unit does now.";
  } else if (told.name.empty()) {
    error.kind = ErrorKind::scm_unavailable;  // it was never sent
    next = "Nothing was sent.";
  }
  for (const auto& meaning : kMeanings) {
    if (told.unknown_effect || told.name != meaning.name) continue;
    error.kind = meaning.kind;
    next = meaning.next;
  }
  error.detail = what + ": " + clean_text(told.message, 512);
  if (!next.empty()) {
    if (!error.detail.ends_with('.')) error.detail += '.';
    error.detail += ' ';
    error.detail += next;
  }
  return error;
}

}  // namespace noforce::systemd
