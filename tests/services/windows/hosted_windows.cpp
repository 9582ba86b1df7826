#include "tests/services/windows/hosted_windows.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace services::windows {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAccepted = "stop pause";
constexpr unsigned long kFlushStep = 100;
constexpr unsigned long kLook = 50;  // how often a rest looks into the control file

long long now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::wstring wide(const std::string& text) {
  return {text.begin(), text.end()};  // names of services are ASCII here
}

}  // namespace

Hosted::Hosted(std::filesystem::path folder, std::string name, bool shared)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      shared_(shared),
      control_(folder_ / (name_ + ".control")) {}

void Hosted::run() {
  handle_ = RegisterServiceCtrlHandlerExW(wide(name_).c_str(), &Hosted::handle, this);
  if (handle_ == nullptr) return;
  event("start " + std::to_string(GetCurrentProcessId()));
  report(SERVICE_START_PENDING, 3000);
  if (const Behaviour it = control_.behaviour("start", "now"); it.kind == "fail") {
    event("fails");
    return stopped(it.numbers[0]);
  }
  start();
  report(SERVICE_RUNNING);
  event("running");
  for (;;) {
    const DWORD control = next_control();
    if (control == SERVICE_CONTROL_STOP || control == SERVICE_CONTROL_SHUTDOWN) break;
    if (control == SERVICE_CONTROL_PAUSE) report(SERVICE_PAUSED);
    if (control == SERVICE_CONTROL_CONTINUE) report(SERVICE_RUNNING);
  }
  stop();
  event("stopped");
  spool_.reset();
  stopped(control_.number("exit", 0));
}

void Hosted::stopped(unsigned long own_code) {
  status_.dwWin32ExitCode = own_code == 0 ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
  status_.dwServiceSpecificExitCode = own_code;
  std::ofstream(folder_ / (name_ + ".times"), std::ios::app | std::ios::binary)
      << "stopped " << now_us() << "\n";
  report(SERVICE_STOPPED);
}

DWORD WINAPI Hosted::handle(DWORD control, DWORD, void*, void* context) {
  return static_cast<Hosted*>(context)->take(control);
}

// "The handler must return within 30 seconds": it only passes the control on, and says by itself that
// a state is pending, so that nobody sends it twice.
DWORD Hosted::take(DWORD control) {
  if (control == SERVICE_CONTROL_INTERROGATE) return NO_ERROR;
  const auto deaf = control_.number("deaf", 0);
  if (deaf > 0) Sleep(deaf);
  switch (control) {
    case SERVICE_CONTROL_STOP:
      event("stop");
      report(SERVICE_STOP_PENDING, control_.number("hint", 3000));
      break;
    case SERVICE_CONTROL_PAUSE:
      event("pause");
      report(SERVICE_PAUSE_PENDING, 3000);
      break;
    case SERVICE_CONTROL_CONTINUE:
      event("continue");
      report(SERVICE_CONTINUE_PENDING, 3000);
      break;
    case SERVICE_CONTROL_PARAMCHANGE:
      event("paramchange");
      return NO_ERROR;
    case SERVICE_CONTROL_SHUTDOWN:
      break;
    default:
      return ERROR_CALL_NOT_IMPLEMENTED;
  }
  const std::lock_guard lock(mutex_);
  controls_.push_back(control);
  changed_.notify_all();
  return NO_ERROR;
}

// The next control; meanwhile what it accepts, and whether it crashes, is as the file says.
DWORD Hosted::next_control() {
  const auto begun = Clock::now();
  std::string accepted = control_.text("accept", kAccepted);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(kLook),
                        [this] { return !controls_.empty(); });
      if (!controls_.empty()) {
        const DWORD control = controls_.front();
        controls_.pop_front();
        return control;
      }
    }
    const Behaviour run = control_.behaviour("run", "ok");
    const bool due = Clock::now() - begun >= std::chrono::milliseconds(run.numbers[0]);
    if (run.kind == "crash" && due) crash(run.numbers[1]);
    const std::string accepts = control_.text("accept", kAccepted);
    if (accepts == accepted) continue;
    accepted = accepts;
    report(current_state());
  }
}

DWORD Hosted::current_state() {
  const std::lock_guard lock(mutex_);
  return status_.dwCurrentState;
}

void Hosted::report(DWORD state, Milliseconds hint) {
  const std::lock_guard lock(mutex_);
  const bool pending =
      state != SERVICE_RUNNING && state != SERVICE_PAUSED && state != SERVICE_STOPPED;
  status_.dwServiceType = shared_ ? SERVICE_WIN32_SHARE_PROCESS : SERVICE_WIN32_OWN_PROCESS;
  status_.dwCheckPoint = !pending                          ? 0
                         : status_.dwCurrentState == state ? status_.dwCheckPoint + 1
                                                           : 1;
  status_.dwCurrentState = state;
  status_.dwWaitHint = hint;
  status_.dwControlsAccepted = 0;
  if (state == SERVICE_RUNNING || state == SERVICE_PAUSED) {
    const std::string takes = control_.text("accept", kAccepted);
    if (takes.find("stop") != std::string::npos) status_.dwControlsAccepted |= SERVICE_ACCEPT_STOP;
    if (takes.find("pause") != std::string::npos) {
      status_.dwControlsAccepted |= SERVICE_ACCEPT_PAUSE_CONTINUE | SERVICE_ACCEPT_PARAMCHANGE;
    }
  }
  SetServiceStatus(handle_, &status_);
}

void Hosted::event(const std::string& what) {
  static std::mutex files;  // the services of one process have files of their own, and few words
  const std::lock_guard lock(files);
  std::ofstream(folder_ / (name_ + ".events"), std::ios::app | std::ios::binary) << what << "\n";
}

void Hosted::crash(unsigned long code) {
  event("crash " + std::to_string(code));
  std::error_code ignored;
  if (control_.text("once", "") == "yes")
    std::filesystem::remove(folder_ / (name_ + ".control"), ignored);
  std::_Exit(static_cast<int>(code));
}

bool Hosted::rest(Milliseconds time, const char* key, const Behaviour& it) {
  const auto until = Clock::now() + std::chrono::milliseconds(time);
  while (Clock::now() < until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    Sleep(static_cast<DWORD>(std::clamp<long long>(left, 1, kLook)));
    if (control_.behaviour(key, "now") != it) return false;
  }
  return true;
}

bool Hosted::progress(const char* key, const Behaviour& it) {
  const Milliseconds step = std::max(it.numbers[1], 1UL);
  for (Milliseconds spent = 0; spent < it.numbers[0]; spent += step) {
    report_progress(step);
    if (!rest(std::min(step, it.numbers[0] - spent), key, it)) return false;
  }
  return true;
}

void Hosted::report_progress(Milliseconds step) {
  report(current_state(), control_.number("hint", step * 2));
}

bool Hosted::go_through(const char* key, DWORD state) {
  const Behaviour it = control_.behaviour(key, "now");
  if (it.kind == "crash") crash(it.numbers[0]);
  if (it.kind == "after") return rest(it.numbers[0], key, it);
  if (it.kind == "progress") return progress(key, it);
  if (it.kind == "freeze" && !progress(key, it)) return false;
  if (it.kind == "freeze" || it.kind == "hang") {
    event(std::string(state == SERVICE_START_PENDING ? "start" : "stop") + " hangs");
    auto tick = control_.number("tick", 0);
    while (control_.behaviour(key, "now") == it) {
      Sleep(kLook);
      if (std::exchange(tick, control_.number("tick", 0)) != tick) report_progress(kFlushStep);
    }
    return false;
  }
  return true;
}

void Hosted::start() {
  while (!go_through("start", SERVICE_START_PENDING)) {
  }
  if (const auto port = control_.number("port", 0); port != 0) {
    spool_ =
        std::make_unique<Spool>(static_cast<unsigned short>(port), folder_ / (name_ + ".spool"));
  }
}

void Hosted::stop() {
  if (spool_ != nullptr) spool_->close();
  while (!go_through("stop", SERVICE_STOP_PENDING)) {
  }
  flush();
  save();
}

void Hosted::flush() {
  if (spool_ == nullptr) return;
  const std::size_t count = spool_->held();
  const Milliseconds total = count == 0 ? 0 : control_.number("flush", 0);
  const Milliseconds steps = std::max(1UL, (total + kFlushStep - 1) / kFlushStep);
  for (Milliseconds step = 1; step <= steps; ++step) {
    Sleep(total / steps);
    spool_->write_up_to(count * step / steps);
    report_progress(kFlushStep);
  }
}

void Hosted::save() {
  const std::string file = control_.text("save", "");
  if (file.empty() || spool_ == nullptr || spool_->setting().empty()) return;
  std::ofstream(folder_ / file, std::ios::binary) << spool_->setting() << "\n";
}

}  // namespace services::windows
