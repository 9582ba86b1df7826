// What the agent says of itself to Windows' service control manager: its state, and in a pending one
// checkpoints and wait hints (SERVICE_STATUS). Needs no Windows.
#pragma once

#include <functional>
#include <thread>

#include "core/clock.hpp"
#include "core/scm/windows/records.hpp"
#include "core/thread_safety.hpp"

namespace noforce::agent {

// Any thread: controls come on one of the manager's, checkpoints from several.
class OwnStatus {
 public:
  // SetServiceStatus; in the record counts what a service says of itself, so neither its type nor its pid.
  using Tell = std::function<void(const windows::StatusRecord&)>;

  // Says nothing before it.
  void begin(Tell tell);
  // A new checkpoint with each word in the same pending state, which may take so long until the next.
  // Once it stops it does not start any more, whoever is late with his word. `exit_status`: the
  // program's own, which are no codes of Windows'.
  void say(std::uint32_t state, Milliseconds patience, MonoTime now, int exit_status = 0);
  void say_again();
  // That the process works on in the pending state that it has: some of its way cannot say how far it is,
  // as SQLite while it recovers a large journal. Not for ever: the manager shall see one that hangs.
  void say_on(MonoTime now);

 private:
  void tell() NOFORCE_REQUIRES(mutex_);

  Mutex mutex_;
  Tell tell_ NOFORCE_GUARDED_BY(mutex_);
  windows::StatusRecord said_ NOFORCE_GUARDED_BY(mutex_){.state = windows::state::start_pending};
  MonoTime word_ NOFORCE_GUARDED_BY(mutex_);  // when it last said something by itself
};

// How long a word lasts, how often it is said on meanwhile, and for how long at most.
inline constexpr Milliseconds own_wait_hint{30'000};
inline constexpr Milliseconds between_checkpoints{10'000};
inline constexpr Milliseconds longest_silence{600'000};

// Calls `beat` every so often, on a thread of its own, for as long as it lives.
class Pulse {
 public:
  Pulse(Milliseconds every, std::function<void()> beat);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

 private:
  void run();

  const Milliseconds every_;
  const std::function<void()> beat_;
  Mutex mutex_;
  Condition ended_;
  bool ends_ NOFORCE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace noforce::agent
