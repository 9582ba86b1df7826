#include "core/plan.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/digest.hpp"
#include "core/graph.hpp"
#include "core/text.hpp"

namespace noforce {

namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool takes_down(Action action) {
  return action == Action::stop || action == Action::restart;
}

// Builds one plan; lives as long as make_plan() runs.
class Planner {
 public:
  Planner(const PlanRequest& request, const Picture& picture, const Policies& policies)
      : request_(request), picture_(picture), policies_(policies) {}

  Result<Plan> plan() {
    plan_.action = request_.action;
    plan_.group = request_.group;
    if (auto checked = check_names(); !checked) return std::unexpected(checked.error());
    Result<void> made;
    switch (request_.action) {
      case Action::stop:
        made = plan_stop();
        break;
      case Action::start:
        made = plan_start();
        break;
      case Action::restart:
        made = plan_restart();
        break;
      case Action::pause:
      case Action::resume:
      case Action::reload:
        made = plan_control();
        break;
    }
    if (!made) return std::unexpected(made.error());
    finish();
    return std::move(plan_);
  }

 private:
  const Graph& graph() const { return *picture_.graph; }
  const Service& service(std::string_view name) const { return *picture_.find(name); }
  bool is_named(std::string_view name) const { return contains(plan_.services, name); }
  bool by_group() const { return request_.group.has_value(); }

  Result<void> check_names() {
    for (const auto& name : request_.services) {
      if (picture_.find(name) == nullptr) {
        return fail(ErrorKind::unknown_service,
                    "There is no service named " + name + " here. GET /v1/services lists them.",
                    name);
      }
    }
    auto ordered = graph().start_order(request_.services);
    if (!ordered) return std::unexpected(ordered.error());
    plan_.services = std::move(*ordered);
    return {};
  }

  // Everything that goes down with the named ones, in stop order; also what is stopping already
  // (it is waited for), and, in between, nothing that is down.
  Result<Names> stop_set(const Names& roots) const {
    const auto can_stop = [this](const std::string& name) {
      return is_up(service(name).state) || comes_up(service(name));
    };
    Names up;
    std::copy_if(roots.begin(), roots.end(), std::back_inserter(up), can_stop);
    Names all = graph().all_dependents(up);
    std::erase_if(all, [&can_stop](const auto& name) { return !can_stop(name); });
    for (const auto& name : up) {
      if (!contains(all, name)) all.push_back(name);
    }
    auto order = graph().start_order(all);
    if (!order) return order;
    std::reverse(order->begin(), order->end());
    return order;
  }

  // Adds to `to_start` what it needs and what is not up, and puts it in start order.
  Result<Names> with_dependencies(Names to_start) const {
    if (auto known = graph().check_dependencies(to_start); !known) {
      return std::unexpected(known.error());
    }
    for (const auto& name : graph().all_dependencies(to_start)) {
      if (counts_as_up(service(name).state) || contains(to_start, name)) continue;
      to_start.push_back(name);
    }
    return graph().start_order(to_start);
  }

  static std::unexpected<Error> was_taken_out(const std::string& name, bool is_running) {
    return fail(ErrorKind::service_disabled,
                name + " was taken out of the settings" +
                    (is_running ? ": it can be stopped, and could not be started again after that."
                                : ", so it cannot be started.") +
                    " Put it back and reload the agent, or leave it out.",
                name);
  }

  Result<void> check_enabled(const Names& to_start) const {
    for (const auto& name : to_start) {
      if (service(name).start_type != StartType::disabled && !service(name).taken_out) continue;
      const bool is_running = is_up(service(name).state);
      if (service(name).taken_out) return was_taken_out(name, is_running);
      return fail(ErrorKind::service_disabled,
                  name + " is disabled" +
                      (is_running ? ", so it could not be started again after a stop."
                                  : ", so it cannot be started.") +
                      " Enable it first (start type auto or manual); a job does not do that.",
                  name);
    }
    return {};
  }

  void add_stops(const Names& stops) {
    for (const auto& name : stops) {
      const auto& hooks = policies_.of(name).before_stop;
      if (!counts_as_up(service(name).state)) continue;  // stopping or stopped: too late for a hook
      for (std::uint32_t n = 0; n < hooks.size(); ++n) {
        plan_.steps.push_back({name, Operation::hook, n, true});
      }
    }
    for (const auto& name : stops) {
      plan_.steps.push_back({name, Operation::stop});
      if (!comes_up(service(name))) continue;
      plan_.goes_down.push_back(name);
      if (!is_named(name)) plan_.dependents.push_back(name);
    }
  }

  void add_start(const std::string& name, bool then_pause) {
    plan_.steps.push_back({name, Operation::start});
    const Policy& policy = policies_.of(name);
    if (policy.verify) plan_.steps.push_back({name, Operation::verify});
    for (std::uint32_t n = 0; n < policy.after_start.size(); ++n) {
      plan_.steps.push_back({name, Operation::hook, n, false});
    }
    if (then_pause) plan_.steps.push_back({name, Operation::pause});
  }

  Result<void> plan_stop() {
    auto stops = stop_set(plan_.services);
    if (!stops) return std::unexpected(stops.error());
    add_stops(*stops);
    return {};
  }

  Result<void> plan_start() {
    Names to_start;
    for (const auto& name : plan_.services) {
      const Service& it = service(name);
      if (it.state == ServiceState::running) continue;
      if (it.state == ServiceState::paused || it.state == ServiceState::pause_pending) {
        plan_.warnings.push_back(name + " is paused and stays so; `continue` makes it run.");
        continue;
      }
      if (by_group() && it.start_type == StartType::disabled) {
        plan_.warnings.push_back(name + " is disabled and stays stopped.");
        continue;
      }
      to_start.push_back(name);
    }
    auto order = with_dependencies(std::move(to_start));
    if (!order) return std::unexpected(order.error());
    if (auto enabled = check_enabled(*order); !enabled) return enabled;
    for (const auto& name : *order)
      add_start(name, false);
    return {};
  }

  // Named services end running, also when they were stopped; members of a group and dependents go
  // back to where they were (design: "Meaning at the edges").
  Result<void> plan_restart() {
    auto stops = stop_set(plan_.services);
    if (!stops) return std::unexpected(stops.error());
    Names to_start;
    if (!by_group()) to_start = plan_.services;
    for (const auto& name : *stops) {
      if (!contains(to_start, name) && comes_up(service(name))) {
        to_start.push_back(name);
      }
    }
    auto order = with_dependencies(std::move(to_start));
    if (!order) return std::unexpected(order.error());
    if (auto enabled = check_enabled(*order); !enabled) return enabled;
    add_stops(*stops);
    for (const auto& name : *order) {
      const bool named = is_named(name) && !by_group();
      add_start(name, !named && destination(service(name).state) == ServiceState::paused);
      warn_about_last_exit(name);
    }
    return {};
  }

  void warn_about_last_exit(const std::string& name) {
    const Service& it = service(name);
    if (it.state != ServiceState::stopped || !it.exit || !it.exit->code) return;
    if (*it.exit->code == 0) return;
    plan_.warnings.push_back(name + " is stopped, and its last run ended with exit code " +
                             std::to_string(*it.exit->code) + ".");
  }

  Result<void> plan_control() {
    Names order = plan_.services;
    if (request_.action == Action::pause) std::reverse(order.begin(), order.end());
    for (const auto& name : order) {
      auto wanted = wants_control(service(name));
      if (!wanted) {
        if (!by_group()) return std::unexpected(wanted.error());
        plan_.warnings.push_back(wanted.error().detail);
        continue;
      }
      if (!*wanted) continue;
      switch (request_.action) {
        case Action::pause:
          plan_.steps.push_back({name, Operation::pause});
          break;
        case Action::resume:
          plan_.steps.push_back({name, Operation::resume});
          break;
        default:
          plan_.steps.push_back({name, Operation::reload});
          if (policies_.of(name).verify) plan_.steps.push_back({name, Operation::verify});
      }
    }
    return {};
  }

  // Whether the control is needed; an error where the service does not take it.
  Result<bool> wants_control(const Service& it) const {
    const std::string verb(to_string(request_.action));
    if (!counts_as_up(it.state)) {
      return fail(ErrorKind::control_not_accepted,
                  it.name + " is " + std::string(to_string(it.state)) + ", so `" + verb +
                      "` has no meaning for it. Start it first.",
                  it.name);
    }
    const ServiceState ends = destination(it.state);
    if (request_.action == Action::pause && it.state == ServiceState::paused) return false;
    if (request_.action == Action::resume && ends == ServiceState::running) return false;
    const bool taken =
        request_.action == Action::reload ? it.accepts.reload : it.accepts.pause_continue;
    if (!taken) {
      return fail(ErrorKind::control_not_accepted,
                  it.name + " does not accept `" + verb + "`. `GET /v1/services/" + it.name +
                      "` shows what it accepts now.",
                  it.name);
    }
    return true;
  }

  void finish() {
    std::set<std::string> touched(plan_.services.begin(), plan_.services.end());
    for (const auto& step : plan_.steps)
      touched.insert(step.service);
    if (takes_down(request_.action)) touched.merge(as_set(graph().all_dependents(plan_.services)));
    plan_.touches.assign(touched.begin(), touched.end());
    plan_.digest = "sha256:" + sha256_hex(serialized());
  }

  static std::set<std::string> as_set(const Names& names) { return {names.begin(), names.end()}; }

  // No pids and no times: the same plan tomorrow has the same digest.
  std::string serialized() const {
    std::string text(to_string(plan_.action));
    text += '\n';
    for (const auto& name : plan_.services)
      text += name + ' ';
    text += '\n';
    for (const auto& step : plan_.steps) {
      text += step.service + ' ' + std::string(to_string(step.operation)) + '\n';
    }
    text += '\n';
    for (const auto& name : plan_.goes_down)
      text += name + ' ';
    return text;
  }

  const PlanRequest& request_;
  const Picture& picture_;
  const Policies& policies_;
  Plan plan_;
};

}  // namespace

ServiceState destination(ServiceState state) {
  switch (state) {
    case ServiceState::stopped:
    case ServiceState::stop_pending:
      return ServiceState::stopped;
    case ServiceState::pause_pending:
    case ServiceState::paused:
      return ServiceState::paused;
    case ServiceState::start_pending:
    case ServiceState::continue_pending:
    case ServiceState::running:
      return ServiceState::running;
  }
  return ServiceState::stopped;
}

bool counts_as_up(ServiceState state) {
  return destination(state) != ServiceState::stopped;
}

bool comes_up(const Service& service) {
  return counts_as_up(service.state) || (!is_up(service.state) && service.accepts.stop);
}

Result<Plan> make_plan(const PlanRequest& request, const Picture& picture,
                       const Policies& policies) {
  return Planner(request, picture, policies).plan();
}

}  // namespace noforce
