#include "config/schema.hpp"

#include <algorithm>
#include <array>

#include "core/text.hpp"

namespace noforce::config {
namespace {

constexpr std::int64_t one_day = 86'400;
constexpr std::int64_t one_month = 31 * one_day;

constexpr auto all_sections = std::to_array<Section>({
    {"server", SectionKind::table, "Where the agent listens and what it keeps"},
    {"tls", SectionKind::table, "The server's certificate; without it, what `noforce init` made"},
    {"client", SectionKind::list, "A client that is known by its certificate, and what it may do"},
    {"limits", SectionKind::table, "How many connections and event streams there may be at a time"},
    {"scm", SectionKind::table, "The service control manager that is worked with"},
    {"supervisor", SectionKind::table, "The embedded service manager"},
    {"jobs", SectionKind::table, "What a job gets where the request does not say"},
    {"log", SectionKind::table, "The agent's own log (a service's is STATE_DIR/logs/NAME.log)"},
    {"service", SectionKind::list, "A service that the supervisor runs"},
    {"policy", SectionKind::named, "What jobs must respect about a service, on any backend"},
    {"policy.verify", SectionKind::inner, "How a started service is asked whether it works"},
    {"group", SectionKind::list, "Services that are named together"},
});

// clang-format off
constexpr auto all_keys = std::to_array<Key>({
    {.section = "server", .name = "listen", .type = ValueType::text,
     .fallback = "\"127.0.0.1:8443\"",
     .meaning = "Address and port of the HTTPS server; port 0 takes a free one"},
    {.section = "server", .name = "state_dir", .type = ValueType::text,
     .fallback = "\"/var/lib/noforce\"",
     .meaning = "Journal, keys, tokens and logs; made with mode 0700 where it is missing"},
    {.section = "server", .name = "names", .type = ValueType::texts, .fallback = "[]",
     .meaning = "Host names accepted in `Host` besides those of the certificate"},
    {.section = "server", .name = "user", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "Started as root, all but what starts services becomes this user: a name or number"},
    {.section = "server", .name = "keeper_dir", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "With `user`: root's own part of the state; empty: STATE_DIR-keeper, beside it"},

    {.section = "tls", .name = "certificate", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "Chain in PEM, the server's own first; relative to this file"},
    {.section = "tls", .name = "key", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "The certificate's private key in PEM, readable by the agent's user only"},
    {.section = "tls", .name = "client_ca", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "CAs (and CRLs) of client certificates in PEM; each [[client]] says who is who"},

    {.section = "client", .name = "san", .type = ValueType::text,
     .meaning = "A subject alternative name of the certificate: dns:, uri:, email: or ip:, no pattern",
     .required = true},
    {.section = "client", .name = "role", .type = ValueType::choice,
     .meaning = "viewer (reads), operator (runs jobs) or admin (audit and hold)",
     .choices = "viewer|operator|admin", .required = true},
    {.section = "client", .name = "services", .type = ValueType::texts, .fallback = "[]",
     .meaning = "Only services whose name fits one of these patterns (* and ?); empty: all"},
    {.section = "client", .name = "actions", .type = ValueType::texts, .fallback = "[]",
     .meaning = "Only these: stop, start, restart, reload, pause, continue; empty: all"},

    {.section = "limits", .name = "connections", .type = ValueType::integer, .fallback = "4096",
     .meaning = "Connections in all; beyond that the oldest idle one gives way",
     .least = 16, .most = 65'536},
    {.section = "limits", .name = "connections_per_address", .type = ValueType::integer,
     .fallback = "2048", .meaning = "Of them, from one address (IPv6: from one /64)",
     .least = 8, .most = 65'536},
    {.section = "limits", .name = "streams", .type = ValueType::integer, .fallback = "512",
     .meaning = "Event streams (/v1/events) in all; more are refused with 503",
     .least = 1, .most = 16'384},
    {.section = "limits", .name = "streams_per_address", .type = ValueType::integer,
     .fallback = "256", .meaning = "Of them, from one address",
     .least = 1, .most = 16'384},

    {.section = "scm", .name = "backend", .type = ValueType::choice, .fallback = "\"supervisor\"",
     .meaning = "supervisor runs the services of this file itself; systemd drives that of the machine",
     .choices = "supervisor|systemd|windows"},
    {.section = "scm", .name = "manager", .type = ValueType::choice, .fallback = "\"system\"",
     .meaning = "For systemd: the manager of the system or the user's",
     .choices = "system|user"},
    {.section = "scm", .name = "types", .type = ValueType::texts, .fallback = "[\"service\"]",
     .meaning = "For systemd: which units are listed; of service, socket, timer, path and target"},
    {.section = "scm", .name = "disarm", .type = ValueType::boolean, .fallback = "true",
     .meaning = "For systemd: disarm its kill by a drop-in before a stop; false: refuse such stops"},

    {.section = "supervisor", .name = "on_exit", .type = ValueType::choice,
     .fallback = "\"leave\"",
     .meaning = "When the agent ends: leave services running, or stop them first, as always when "
                "systemd shuts down",
     .choices = "leave|stop"},

    {.section = "jobs", .name = "deadline_s", .type = ValueType::integer, .fallback = "600",
     .meaning = "How long a job may run, from its start",
     .least = 1, .most = one_month},
    {.section = "jobs", .name = "no_progress_s", .type = ValueType::integer, .fallback = "120",
     .meaning = "How long a service may show no progress beyond what it asked for",
     .least = 1, .most = one_month},
    {.section = "jobs", .name = "queue_s", .type = ValueType::integer, .fallback = "3600",
     .meaning = "How long a job may wait for earlier jobs before it starts",
     .least = 1, .most = one_month},
    {.section = "jobs", .name = "max_wait_s", .type = ValueType::integer, .fallback = "300",
     .meaning = "How long one request may wait for its job's end",
     .least = 1, .most = 3600},
    {.section = "jobs", .name = "history_days", .type = ValueType::integer, .fallback = "90",
     .meaning = "How long ended jobs are kept; audit rows are always kept",
     .least = 1, .most = 36'500},
    {.section = "jobs", .name = "max_queued", .type = ValueType::integer, .fallback = "10000",
     .meaning = "How many jobs may wait; more are refused with 429",
     .least = 1, .most = 1'000'000},

    {.section = "log", .name = "level", .type = ValueType::choice, .fallback = "\"info\"",
     .meaning = "debug, info, warning or error",
     .choices = "debug|info|warning|error"},
    {.section = "log", .name = "file", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "A file that the log is appended to; empty: standard error"},

    {.section = "service", .name = "name", .type = ValueType::text,
     .meaning = "1 to 80 of A-Z a-z 0-9 . _ @ -", .required = true},
    {.section = "service", .name = "display_name", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "The name for people; empty: the name"},
    {.section = "service", .name = "command", .type = ValueType::texts,
     .meaning = "The program, by its absolute path, and its arguments; never a shell",
     .required = true},
    {.section = "service", .name = "depends_on", .type = ValueType::texts, .fallback = "[]",
     .meaning = "Services that have to run before this one starts"},
    {.section = "service", .name = "start", .type = ValueType::choice, .fallback = "\"auto\"",
     .meaning = "auto (when the machine has booted or the service is new), manual or disabled",
     .choices = "auto|manual|disabled"},
    {.section = "service", .name = "type", .type = ValueType::choice, .fallback = "\"simple\"",
     .meaning = "simple (runs once it is started) or notify (once it says READY=1, sd_notify)",
     .choices = "simple|notify"},
    {.section = "service", .name = "ready_tcp", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "Runs once this ADDRESS:PORT accepts a connection; empty: not asked"},
    {.section = "service", .name = "stop_signal", .type = ValueType::text,
     .fallback = "\"SIGTERM\"",
     .meaning = "The signal that asks the service to stop; one that it can handle itself"},
    {.section = "service", .name = "stop_command", .type = ValueType::texts, .fallback = "[]",
     .meaning = "A program that asks it to stop, instead of the signal"},
    {.section = "service", .name = "reload_signal", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "The signal that asks it to reload; empty and no command: it cannot"},
    {.section = "service", .name = "reload_command", .type = ValueType::texts, .fallback = "[]",
     .meaning = "A program that asks it to reload, instead of the signal"},
    {.section = "service", .name = "restart", .type = ValueType::choice, .fallback = "\"no\"",
     .meaning = "After it ended by itself: no, on-failure or always, with back-off; never after a stop",
     .choices = "no|on-failure|always"},
    {.section = "service", .name = "user", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "The user it runs as; empty: the agent's own"},
    {.section = "service", .name = "directory", .type = ValueType::text, .fallback = "\"/\"",
     .meaning = "Its working directory"},
    {.section = "service", .name = "environment", .type = ValueType::map, .fallback = "{}",
     .meaning = "Variables of its environment, besides PATH and what the supervisor needs"},
    {.section = "service", .name = "limits", .type = ValueType::limits, .fallback = "{}",
     .meaning = "Resource limits: core, memlock, msgqueue, nice, nofile, nproc, rtprio, sigpending"},

    {.section = "policy", .name = "protected", .type = ValueType::boolean, .fallback = "false",
     .meaning = "A job that takes it down must give a reason"},
    {.section = "policy", .name = "before_stop", .type = ValueType::commands, .fallback = "[]",
     .meaning = "Programs that run before anything stops; when one fails, nothing is stopped"},
    {.section = "policy", .name = "after_start", .type = ValueType::commands, .fallback = "[]",
     .meaning = "Programs that run once it is up again"},
    {.section = "policy", .name = "hook_timeout_s", .type = ValueType::integer, .fallback = "60",
     .meaning = "Then such a program gets SIGTERM and the job fails; never more than that",
     .least = 1, .most = one_day},
    {.section = "policy", .name = "verify", .type = ValueType::section,
     .meaning = "How a started service is asked whether it works"},
    {.section = "policy", .name = "cooldown_s", .type = ValueType::integer, .fallback = "0",
     .meaning = "From the end of one job on it to the next that is accepted",
     .least = 0, .most = one_month},

    {.section = "policy.verify", .name = "http", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "An http:// URL that must answer 2xx; no redirects, no proxy"},
    {.section = "policy.verify", .name = "tcp", .type = ValueType::text, .fallback = "\"\"",
     .meaning = "Or a HOST:PORT that must accept a connection"},
    {.section = "policy.verify", .name = "within_s", .type = ValueType::integer, .fallback = "30",
     .meaning = "How long after the start the first good answer may take",
     .least = 1, .most = one_day},
    {.section = "policy.verify", .name = "hold_s", .type = ValueType::integer, .fallback = "0",
     .meaning = "How long it has to stay up from then on",
     .least = 0, .most = one_day},

    {.section = "group", .name = "name", .type = ValueType::text,
     .meaning = "1 to 80 of A-Z a-z 0-9 . _ @ -", .required = true},
    {.section = "group", .name = "services", .type = ValueType::texts,
     .meaning = "Its members", .required = true},
});
// clang-format on

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, change});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const Section> sections() {
  return all_sections;
}

std::span<const Key> keys() {
  return all_keys;
}

const Section* find_section(std::string_view path) {
  const auto* found = std::ranges::find(all_sections, path, &Section::path);
  return found == all_sections.end() ? nullptr : found;
}

const Key* find_key(std::string_view section, std::string_view name) {
  const auto* found = std::ranges::find_if(
      all_keys, [&](const Key& key) { return key.section == section && key.name == name; });
  return found == all_keys.end() ? nullptr : found;
}

std::vector<std::string> key_names(std::string_view section) {
  std::vector<std::string> names;
  for (const Key& key : all_keys) {
    if (key.section == section) names.emplace_back(key.name);
  }
  return names;
}

std::vector<std::string> split_choices(std::string_view choices) {
  std::vector<std::string> all;
  while (!choices.empty()) {
    const std::size_t bar = std::min(choices.find('|'), choices.size());
    all.emplace_back(choices.substr(0, bar));
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
  return all;
}

std::string nearest(std::string_view typed, const std::vector<std::string>& candidates) {
  constexpr std::size_t longest = 100;  // nobody mistypes a name of this length into another
  if (typed.size() > longest) return {};
  const std::string wanted = lower_ascii(typed);
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t d = distance(wanted, lower_ascii(candidate));
    if (d < best_distance && d < candidate.size()) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace noforce::config
