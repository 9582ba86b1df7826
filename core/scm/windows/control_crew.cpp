#include "core/scm/windows/control_crew.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "core/log.hpp"
#include "core/thread_safety.hpp"

namespace noforce::windows {
namespace {

struct ControlWay {
  std::uint32_t number;
  std::uint32_t right;
};

ControlWay way_of(ControlOp op) {
  switch (op) {
    case ControlOp::stop:
      return {control::stop, right::stop};
    case ControlOp::pause:
      return {control::pause, right::pause_continue};
    case ControlOp::resume:
      return {control::resume, right::pause_continue};
    case ControlOp::reload:
      return {control::paramchange, right::pause_continue};
    case ControlOp::start:
      break;
  }
  return {0, right::start};
}

}  // namespace

std::string cut_comment(const std::string& comment) {
  std::size_t characters = 0;
  std::size_t end = 0;
  for (; end < comment.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(comment[end]) & 0xC0) != 0x80;
    if (begins && ++characters > kMostComment) break;
  }
  return comment.substr(0, end);
}

Code carry_out(Calls& calls, const Order& order) {
  const auto manager = calls.open_manager(right::manager_connect);
  if (!manager) return manager.error();
  const ControlWay way = way_of(order.op);
  const bool looks = order.op != ControlOp::start;
  const auto service =
      calls.open_service(*manager, order.service, way.right | (looks ? right::query_status : 0U));
  if (!service) return service.error();
  if (!looks) return calls.start_service(*service);
  const auto status = calls.query_status(*service);
  if (!status) return status.error();
  if (status->state == state::stopped || (order.pid != 0 && status->pid != order.pid)) {
    return code::not_active;
  }
  if (order.op == ControlOp::stop) {
    const auto reasoned =
        calls.control_with_reason(*service, way.number, kStopReason, cut_comment(order.comment));
    if (reasoned) return *reasoned;
  }
  return calls.control_service(*service, way.number);
}

struct ControlCrew::Shared {
  struct Waiting {
    Order order;
    MonoTime since{};
  };
  struct Member {
    std::thread thread;
    bool calling = false;
  };

  Shared(std::shared_ptr<Calls> table, std::function<void(Carried)> sink, const Clock& time)
      : calls(std::move(table)), done(std::move(sink)), clock(time) {}

  // The first that may go: no other control of its service is under way.
  [[nodiscard]] std::optional<Waiting> next() NOFORCE_REQUIRES(mutex) {
    for (auto it = waiting.begin(); it != waiting.end(); ++it) {
      if (busy.contains(it->order.service)) continue;
      Waiting found = std::move(*it);
      waiting.erase(it);
      busy.insert(found.order.service);
      return found;
    }
    return std::nullopt;
  }

  const std::shared_ptr<Calls> calls;
  const std::function<void(Carried)> done;
  const Clock& clock;
  Mutex mutex;
  Condition changed;
  std::deque<Waiting> waiting NOFORCE_GUARDED_BY(mutex);
  std::set<std::string> busy NOFORCE_GUARDED_BY(mutex);  // services with a control under way
  std::vector<Member> members NOFORCE_GUARDED_BY(mutex);
  std::size_t idle NOFORCE_GUARDED_BY(mutex) = 0;
  std::size_t reporting NOFORCE_GUARDED_BY(mutex) = 0;  // threads inside `done`
  bool dismissed NOFORCE_GUARDED_BY(mutex) = false;
};

ControlCrew::ControlCrew(std::shared_ptr<Calls> calls, std::function<void(Carried)> done,
                         const Clock& clock)
    : shared_(std::make_shared<Shared>(std::move(calls), std::move(done), clock)) {}

ControlCrew::~ControlCrew() {
  dismiss();
}

void ControlCrew::send(Order order) {
  MutexLock lock(shared_->mutex);
  if (shared_->dismissed) return;
  shared_->waiting.push_back({std::move(order), shared_->clock.mono()});
  if (shared_->idle < shared_->waiting.size() && shared_->members.size() < kMost) {
    const std::size_t number = shared_->members.size();
    shared_->members.emplace_back();
    shared_->members.back().thread =
        std::thread([shared = shared_, number] { work(shared, number); });
  }
  shared_->changed.notify_one();
}

void ControlCrew::dismiss() {
  std::vector<std::thread> to_join;
  {
    MutexLock lock(shared_->mutex);
    shared_->dismissed = true;
    shared_->waiting.clear();
    shared_->changed.notify_all();
    while (shared_->reporting > 0)
      shared_->changed.wait(lock);
    for (auto& member : shared_->members) {
      if (!member.thread.joinable()) continue;
      if (member.calling) {
        member.thread.detach();
      } else {
        to_join.push_back(std::move(member.thread));
      }
    }
  }
  for (auto& thread : to_join)
    thread.join();
}

void ControlCrew::work(const std::shared_ptr<Shared>& shared, std::size_t number) {
  MutexLock lock(shared->mutex);
  while (!shared->dismissed) {
    auto next = shared->next();
    if (!next) {
      ++shared->idle;
      shared->changed.wait(lock);
      --shared->idle;
      continue;
    }
    const std::string service = next->order.service;
    Carried carried{.order = std::move(next->order), .code = code::cannot_accept};
    if (shared->clock.mono() - next->since < kLongestWait) {
      shared->members[number].calling = true;
      lock.unlock();
      try {
        carried.code = carry_out(*shared->calls, carried.order);
      } catch (const std::exception& failure) {
        log_error("windows", std::string("a control was lost: ") + failure.what());
        carried.code = code::request_timeout;  // whether it went out is not known
      }
      lock.lock();
      shared->members[number].calling = false;
    }
    shared->busy.erase(service);
    if (shared->dismissed) return;
    ++shared->reporting;
    lock.unlock();
    shared->done(std::move(carried));
    lock.lock();
    --shared->reporting;
    shared->changed.notify_all();
  }
}

}  // namespace noforce::windows
