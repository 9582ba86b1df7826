#include "core/scm/windows/controls.hpp"

#include <algorithm>
#include <expected>
#include <utility>

#include "core/scm/windows/answers.hpp"

namespace noforce::windows {

void Controls::submit(Control control) {
  const auto same = [&](const Repeated& it) { return it.control.token == control.token; };
  if (under_way_.contains(control.token) || std::any_of(repeated_.begin(), repeated_.end(), same)) {
    return;  // its answer is to come
  }
  world_.look(control.service);
  // A known token first, also while the manager is lost: what went out is never told as unsent.
  if (const Note* note = notebook_.find(control.token)) {
    if (note->answer) {
      return answer(control.token, control.op, control.service, *note->answer);
    }
    if (!world_.is_connected()) {
      repeated_.push_back({std::move(control), clock_.mono()});
      return;
    }
    return repeat(std::move(control), *note);
  }
  if (!world_.is_connected()) {
    return answer(control.token, control.op, control.service, code::server_unavailable);
  }
  const Code refusal = refusal_of(control, inventory_.service(control.service));
  if (refusal != code::success) {
    return answer(control.token, control.op, control.service, refusal);
  }
  send(std::move(control));
}

// The note stands on disk before the control goes out.
void Controls::send(Control control) {
  const Inventory::Entry* entry = inventory_.find(control.service);
  if (entry == nullptr) {
    return answer(control.token, control.op, control.service, code::does_not_exist);
  }
  const bool noted = notebook_.add({.token = control.token,
                                    .op = control.op,
                                    .service = control.service,
                                    .key = control.instance ? control.instance->key : std::string(),
                                    .sent_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                   clock_.mono().time_since_epoch())
                                                   .count(),
                                    .answer = {}});
  if (!noted && control.op != ControlOp::start) {
    return refuse(control.token, not_noted(control.op, control.service));
  }
  under_way_.emplace(control.token, control.service);
  world_.look(control.service);  // heard from now on
  crew_.send({.token = control.token,
              .op = control.op,
              .service = control.service,
              .pid = control.op == ControlOp::start ? 0 : entry->followed.process(),
              .comment = std::move(control.comment)});
}

void Controls::repeat(Control control, const Note& note) {
  const Service* service = inventory_.service(control.service);
  const Repeat what = decide_repeat(note, service, clock_.mono());
  switch (what.what) {
    case Repeat::Do::answer:
      notebook_.answer(control.token, what.code);
      return answer(control.token, control.op, control.service, what.code);
    case Repeat::Do::send:
      return send(std::move(control));
    case Repeat::Do::wait:
      repeated_.push_back({control, what.until});
      world_.listen_to(control.service);
  }
}

void Controls::look_at_repeated() {
  if (repeated_.empty() || !world_.is_connected()) return;
  for (auto& one : std::exchange(repeated_, {})) {
    if (const Note* note = notebook_.find(one.control.token)) {
      const Note copy = *note;
      repeat(std::move(one.control), copy);
    }
  }
}

void Controls::carried(const Carried& carried) {
  const Order& order = carried.order;
  notebook_.answer(order.token, carried.code);
  if (carried.code == code::dependents_running) {
    // Somebody hangs on it that the configuration did not show: what the manager says now counts.
    world_.read_all_configurations();
  }
  world_.look(order.service);
  under_way_.erase(order.token);
  answer(order.token, order.op, order.service, carried.code);
}

void Controls::give_up(const ControlToken& token, Error error) {
  under_way_.erase(token);
  refuse(token, std::move(error));
}

MonoTime Controls::next_due() const {
  MonoTime due = MonoTime::max();
  for (const auto& one : repeated_)
    due = std::min(due, one.until);
  return due;
}

bool Controls::is_open_for(const std::string& service) const {
  const auto is_it = [&](const auto& it) { return it.second == service; };
  if (std::any_of(under_way_.begin(), under_way_.end(), is_it)) return true;
  const auto repeats = [&](const Repeated& it) { return it.control.service == service; };
  return std::any_of(repeated_.begin(), repeated_.end(), repeats);
}

std::vector<Completion> Controls::take_completions() {
  return std::exchange(completions_, {});
}

void Controls::answer(const ControlToken& token, ControlOp op, const std::string& service,
                      Code code) {
  auto result = result_of(op, code, service, inventory_.service(service));
  if (!result && code == code::dependents_running) {
    result.error().dependents = inventory_.dependents_up(service);
  }
  completions_.push_back({.token = token, .service = service, .result = std::move(result)});
}

void Controls::refuse(const ControlToken& token, Error error) {
  const std::string service = error.service;
  completions_.push_back(
      {.token = token, .service = service, .result = std::unexpected(std::move(error))});
}

}  // namespace noforce::windows
