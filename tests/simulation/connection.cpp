#include "tests/simulation/connection.hpp"

#include <algorithm>
#include <utility>

namespace noforce::simulation {

Result<void> Connection::start(ScmSink& sink, Milliseconds) {
  fuse_.burn();
  sink_ = &sink;
  manager_.connect();
  view_ = manager_.picture();
  return {};
}

void Connection::stop() {
  if (sink_ == nullptr) return;
  sink_ = nullptr;
  manager_.disconnect();
}

std::optional<std::string> Connection::resolve(std::string_view spelling) const {
  const Service* found = view_->find(spelling);
  return found == nullptr ? std::nullopt : std::optional<std::string>(found->name);
}

void Connection::refresh(const std::vector<std::string>& services) {
  for (const auto& service : services)
    manager_.look_again(service);
}

Result<void> Connection::prepare(const std::string& job, const std::vector<std::string>& services) {
  fuse_.burn();
  manager_.spare(job, services);
  fuse_.burn();
  return {};
}

void Connection::release(const std::string& job) {
  fuse_.burn();
  manager_.release(job);
  fuse_.burn();
}

void Connection::submit(Control control) {
  fuse_.burn();
  ledger_.submitted(control, *view_, disk_.state().jobs, disk_.full());
  if (lost_) {
    sink_->completed({control.token, control.service,
                      fail(ErrorKind::scm_unavailable, "not connected", control.service)});
    return;
  }
  if (control.op == ControlOp::stop) manager_.pin(control.service);
  unanswered_[control.token] = control;
  manager_.send(std::move(control));
  fuse_.burn();
}

void Connection::look(const std::shared_ptr<const Service>& service) {
  auto next = std::make_shared<Picture>(*view_);
  ++next->revision;
  const auto at = std::find_if(next->services.begin(), next->services.end(),
                               [&service](const auto& one) { return one->name == service->name; });
  *at = service;
  view_ = std::move(next);
}

void Connection::receive() {
  auto message = manager_.hand_out_one();
  if (const auto* update = std::get_if<Manager::Update>(&message)) {
    look(update->service);
    sink_->observed(update->service->name);
    return;
  }
  auto& completion = std::get<Completion>(message);
  unanswered_.erase(completion.token);
  sink_->completed(std::move(completion));
}

void Connection::lose() {
  lost_ = true;
  manager_.disconnect();
  auto lost = std::make_shared<Picture>(*view_);
  lost->complete = false;
  view_ = std::move(lost);
  sink_->connection_changed(true);
}

// What was not answered is sent again with its token.
void Connection::find_again() {
  lost_ = false;
  manager_.connect();
  view_ = manager_.picture();
  for (const auto& [token, control] : std::exchange(unanswered_, {})) {
    const auto kept = disk_.state().jobs.find(token.job);
    if (kept == disk_.state().jobs.end() || kept->second->state == JobState::done) continue;
    unanswered_[token] = control;
    manager_.send(control);
  }
  sink_->connection_changed(false);
}

void Attendance::run_hook(const ControlToken& token, const std::string&, const HookCommand&,
                          Milliseconds) {
  fuse_.burn();
  ledger_.hook_ran(token, disk_.state().jobs);
  in_hand_.push_back(token);
  fuse_.burn();
}

void Attendance::probe(const ControlToken& token, const std::string&, const Verify&, Milliseconds) {
  fuse_.burn();
  in_hand_.push_back(token);
}

void Attendance::end_one(bool good) {
  const ControlToken token = in_hand_.front();
  in_hand_.pop_front();
  Result<void> result;
  if (!good) result = fail(ErrorKind::hook_failed, "it failed");
  sink_.attended(token, std::move(result));
}

}  // namespace noforce::simulation
