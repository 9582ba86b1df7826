#include "core/scm/windows/configuration.hpp"

#include <expected>
#include <utility>

#include "core/scm/windows/warnings.hpp"

namespace noforce::windows {
namespace {

// The answer of `query` about a service, or why that could not be opened.
template <typename Query>
auto ask(const Answer<ServiceHandle>& service, const Query& query) -> decltype(query(*service)) {
  if (!service) return std::unexpected(service.error());
  return query(*service);
}

}  // namespace

std::optional<KnownConfiguration> query_configuration(Calls& calls, const ManagerHandle& manager,
                                                      const std::string& service,
                                                      const KnownConfiguration& before) {
  // A right that is refused must not cost what the other one shows.
  const auto open = [&](std::uint32_t rights) {
    return calls.open_service(manager, service, rights);
  };
  const auto both = open(right::query_config | right::enumerate_dependents);
  const bool denied = !both && both.error() == code::access_denied;
  if (!both && !denied) return std::nullopt;
  const auto to_config = denied ? open(right::query_config) : Answer<ServiceHandle>();
  const auto to_list = denied ? open(right::enumerate_dependents) : Answer<ServiceHandle>();
  const auto& configured = denied ? to_config : both;

  KnownConfiguration known{.configured = before.configured, .was_read = before.was_read};
  const auto missing = [&](Unread what, Code code) {
    if (auto warning = unread_warning(what, code)) known.unread.push_back(std::move(*warning));
  };
  auto config = ask(configured, [&](const auto& it) { return calls.query_config(it, service); });
  if (config) {
    known.configured.config = std::move(*config);
    known.was_read = true;
  } else {
    missing(before.was_read ? Unread::config_again : Unread::config, config.error());
  }
  auto dependents =
      ask(denied ? to_list : both, [&](const auto& it) { return calls.list_dependents(it); });
  if (dependents) {
    known.configured.dependents = std::move(*dependents);
  } else {
    missing(Unread::dependents, dependents.error());
  }
  if (!config) return known;
  if (const auto triggers = calls.query_triggers(*configured)) {
    known.facts = trigger_warnings(service, *triggers);
  } else {
    missing(Unread::triggers, triggers.error());
  }
  if (const auto recovery = calls.query_recovery(*configured)) {
    for (auto& warning : recovery_warnings(service, *recovery))
      known.facts.push_back(std::move(warning));
  } else {
    missing(Unread::recovery, recovery.error());
  }
  return known;
}

}  // namespace noforce::windows
