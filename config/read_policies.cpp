#include "config/read_policies.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/names.hpp"
#include "config/platform.hpp"
#include "config/read_scm.hpp"
#include "config/read_services.hpp"
#include "config/values.hpp"
#include "core/text.hpp"
#include "core/trusted_program.hpp"

namespace noforce::config {
namespace {

class PolicyReader {
 public:
  PolicyReader(MachineChecks checks, const Settings& settings, Report& report)
      : checks_(checks), settings_(settings), report_(report) {
    for (const supervisor::ServiceSpec& spec : settings.services)
      services_.insert(spec.name);
  }

  Policies run(const toml::table& root) {
    jobs(root);
    if (const auto* policies = root["policy"].as_table()) {
      for (const auto& [name, node] : *policies) {
        if (const auto* table = node.as_table()) policy(name, *table);
      }
    }
    for_each_table(root, "group", [this](const toml::table& table) { group(table); });
    std::ranges::sort(policies_.groups, {}, &Group::name);
    return std::move(policies_);
  }

 private:
  void jobs(const toml::table& root) {
    const auto* table = root["jobs"].as_table();
    if (table == nullptr) return;
    JobDefaults& jobs = policies_.jobs;
    read(*table, "deadline_s", jobs.deadline);
    read(*table, "no_progress_s", jobs.no_progress);
    read(*table, "queue_s", jobs.queue);
    read(*table, "max_wait_s", jobs.max_wait);
    if (const auto* days = (*table)["history_days"].as_integer()) {
      jobs.history_days = static_cast<int>(**days);
    }
    read(*table, "max_queued", jobs.max_queued);
  }

  void policy(const toml::key& name, const toml::table& table) {
    const std::string service = canonical_name(settings_.scm, std::string(name.str()));
    if (settings_.scm.backend == Backend::supervisor && !services_.contains(service)) {
      report_.at(name.source(), "[policy." + shown(service) +
                                    "] is about a service that there is "
                                    "no [[service]] for" +
                                    hint(service, service_names(settings_.services)));
    }
    Policy policy;
    read(table, "protected", policy.is_protected);
    hooks(table, "before_stop", policy.before_stop);
    hooks(table, "after_start", policy.after_start);
    read(table, "hook_timeout_s", policy.hook_timeout);
    if (const auto* inner = table["verify"].as_table()) policy.verify = verify(*inner);
    read(table, "cooldown_s", policy.cooldown);
    policies_.services.insert_or_assign(service, std::move(policy));
  }

  void hooks(const toml::table& table, std::string_view key, std::vector<HookCommand>& into) {
    const auto* list = table[key].as_array();
    if (list == nullptr) return;
    for (const toml::node& element : *list) {
      const auto* argv = element.as_array();
      if (argv == nullptr) continue;
      HookCommand hook = strings(*argv);
      if (hook.empty()) {
        report_.at(element, "a command of '" + std::string(key) +
                                "' names at least the program, by its absolute path");
        continue;
      }
      check_absolute(*argv->get(0), key, hook.front(), report_);
      if (checks_ == MachineChecks::yes && is_absolute_path(hook.front())) {
        if (const auto trusted = check_trusted_program(hook.front()); !trusted) {
          report_.at(*argv->get(0), clean_text(trusted.error().detail, 400));
        }
      }
      into.push_back(std::move(hook));
    }
  }

  Verify verify(const toml::table& table) {
    Verify verify;
    read(table, "http", verify.http);
    read(table, "tcp", verify.tcp);
    read(table, "within_s", verify.within);
    read(table, "hold_s", verify.hold);
    if (verify.http.empty() == verify.tcp.empty()) {
      report_.at(table, "'verify' has either 'http' or 'tcp'");
      return verify;
    }
    constexpr std::string_view scheme = "http://";
    if (!verify.http.empty() &&
        (!verify.http.starts_with(scheme) || verify.http.size() == scheme.size() ||
         verify.http.find_first_of(" @") != std::string::npos)) {
      report_.at(place_of(table, "http"),
                 "'http' has to be an http:// URL without credentials, "
                 "like \"http://127.0.0.1/health\", not " +
                     shown(verify.http));
    }
    if (!verify.tcp.empty()) {
      const auto parts = split_host_port(verify.tcp);
      if (!parts || parts->port == 0) {
        report_.at(place_of(table, "tcp"), "'tcp' has to be HOST:PORT, not " + shown(verify.tcp));
      }
    }
    return verify;
  }

  void group(const toml::table& table) {
    Group group;
    read(table, "name", group.name);
    read(table, "services", group.services);
    if (table["name"].is_string() && !is_name(group.name)) {
      report_.at(place_of(table, "name"), "a group's name is 1 to 80 of A-Z a-z 0-9 . _ @ -, and " +
                                              shown(group.name) + " is not");
    }
    if (std::ranges::find(policies_.groups, group.name, &Group::name) != policies_.groups.end()) {
      report_.at(place_of(table, "name"), "there is already a [[group]] " + shown(group.name));
    }
    if (group.services.empty() && table["services"].is_array()) {
      report_.at(place_of(table, "services"), "a group has at least one member");
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < group.services.size(); ++i) {
      std::string& member = group.services[i];
      member = canonical_name(settings_.scm, std::move(member));
      const toml::node& place = element_of(table, "services", i);
      if (!seen.insert(member).second) {
        report_.at(place, shown(member) + " is in this group twice");
      } else if (settings_.scm.backend == Backend::supervisor && !services_.contains(member)) {
        report_.at(place, "the group's member " + shown(member) + " is no [[service]]" +
                              hint(member, service_names(settings_.services)));
      }
    }
    policies_.groups.push_back(std::move(group));
  }

  const MachineChecks checks_;
  const Settings& settings_;
  Report& report_;
  std::set<std::string> services_;  // the supervisor's, by name
  Policies policies_;
};

}  // namespace

Policies read_policies(const toml::table& root, MachineChecks checks, const Settings& settings,
                       Report& report) {
  return PolicyReader(checks, settings, report).run(root);
}

}  // namespace noforce::config
