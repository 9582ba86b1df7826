#include "agent/own_status.hpp"

#include <utility>

namespace noforce::agent {
namespace {

namespace state = windows::state;
namespace accept = windows::accept;

bool is_pending(std::uint32_t state) {
  return state == state::start_pending || state == state::stop_pending;
}

}  // namespace

void OwnStatus::begin(Tell tell) {
  const MutexLock lock(mutex_);
  tell_ = std::move(tell);
}

void OwnStatus::say(std::uint32_t state, Milliseconds patience, MonoTime now, int exit_status) {
  const MutexLock lock(mutex_);
  if (!tell_ || said_.state == state::stopped) return;
  const bool is_late =
      said_.state == state::stop_pending && state != state::stopped && state != state::stop_pending;
  if (is_late) return;
  const bool pending = is_pending(state);
  said_.checkpoint = pending ? (state == said_.state ? said_.checkpoint + 1 : 1) : 0;
  said_.wait_hint = pending ? static_cast<std::uint32_t>(patience.count()) : 0;
  said_.state = state;
  said_.accepts =
      state == state::running ? accept::stop | accept::preshutdown | accept::paramchange : 0;
  said_.exit_code = exit_status == 0 ? windows::code::success : windows::code::specific_error;
  said_.service_code = static_cast<windows::Code>(exit_status);
  word_ = now;
  tell();
}

void OwnStatus::say_again() {
  const MutexLock lock(mutex_);
  if (tell_) tell();
}

void OwnStatus::say_on(MonoTime now) {
  const MutexLock lock(mutex_);
  if (!tell_ || !is_pending(said_.state) || now - word_ > longest_silence) return;
  ++said_.checkpoint;
  tell();
}

void OwnStatus::tell() {
  tell_(said_);
}

Pulse::Pulse(Milliseconds every, std::function<void()> beat)
    : every_(every), beat_(std::move(beat)), thread_([this] { run(); }) {}

Pulse::~Pulse() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void Pulse::run() {
  MutexLock lock(mutex_);
  MonoTime next = system_clock().mono() + every_;
  while (!ends_) {
    if (ended_.wait_until(lock, next)) continue;
    beat_();
    next = system_clock().mono() + every_;
  }
}

}  // namespace noforce::agent
