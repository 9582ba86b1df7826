// A world of paper for Supervised: what would be processes and files is written down here, and the
// keeper can be made to die before any of its effects.
#pragma once

#include <signal.h>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/scm/supervisor/supervised.hpp"

namespace noforce::supervisor::testing {

struct Killed {};  // the keeper, with -9, at this instant

// What survives a keeper: the machine's processes and its disk.
struct Machine {
  std::optional<Record> disk;
  std::int64_t next_pid = 100;
  std::int64_t main = 0;      // 0: none
  bool waits_for_go = false;  // it has not become its program
  bool halted = false;
  bool catches_stop = true;  // its handler is installed
  bool reads_stop = false;   // blocked, and read from a signalfd
  bool pending_stop = false;
  std::vector<int> signals;  // that the main process got
  int started = 0;           // programs that ran
  int most_at_once = 0;
  MonoTime now{std::chrono::hours(1)};
  std::string boot = "boot-1";
};

class PaperWorld final : public World {
 public:
  explicit PaperWorld(Machine& machine, int lives = 1'000'000) : m_(machine), lives_(lives) {}

  MonoTime now() const override { return m_.now; }
  std::int64_t wall_ms() const override { return 1'700'000'000'000; }
  const std::string& boot() const override { return m_.boot; }
  bool draining() const override { return draining_; }

  int save(const Record& record) override {
    step();
    if (disk_full_) return ENOSPC;
    m_.disk = record;
    return 0;
  }
  std::expected<ForkedMain, Error> fork_main() override {
    step();
    EXPECT_EQ(m_.main, 0) << "a second main process";
    m_.main = m_.next_pid++;
    m_.waits_for_go = true;
    return ForkedMain{.process = {.pid = m_.main, .start_time = 7}, .notify_address = "noforce/x"};
  }
  void let_main_go() override {
    step();
    m_.waits_for_go = false;
    ++m_.started;
  }
  void drop_main() override { m_.main = 0; }
  Result<void> fork_companion(Companion) override {
    step();
    return {};
  }
  void let_companion_go(Companion) override {
    step();
    ++companions_;
  }
  void drop_companion(Companion) override {}
  int signal_main(int signal) override {
    step();
    if (refuse_signals_ != 0) return refuse_signals_;
    m_.signals.push_back(signal);
    if (!m_.catches_stop && !m_.reads_stop) m_.main = 0;  // the signal's default
    return 0;
  }
  int halt_tree() override {
    step();
    m_.halted = !slow_halt_;
    return 0;
  }
  int resume_tree() override {
    step();
    m_.halted = false;
    return 0;
  }
  bool main_halted() const override { return m_.halted; }
  bool main_forked_only() const override { return m_.waits_for_go; }
  bool main_is_child() const override { return false; }
  std::optional<SignalFate> main_signal_fate(int) const override {
    return SignalFate{.pending = m_.pending_stop,
                      .ignored = false,
                      .caught = m_.catches_stop,
                      .blocked = m_.reads_stop};
  }
  void answer(const ControlToken& token, const Result<void>& result) override {
    step();
    answers_[token].push_back(result);
  }
  void changed(bool urgent) override {
    step();
    urgent_ |= urgent;
  }

  Machine& m_;
  int lives_;
  bool draining_ = false;
  bool disk_full_ = false;
  bool slow_halt_ = false;
  int refuse_signals_ = 0;
  int companions_ = 0;
  bool urgent_ = false;
  std::map<ControlToken, std::vector<Result<void>>> answers_;

 private:
  void step() {
    if (lives_-- <= 0) throw Killed{};
  }
};

inline ControlToken token(std::uint32_t step) {
  return {.job = "01A", .step = step, .attempt = 1};
}

inline Command command(ControlOp op, std::uint32_t step, std::string key = {}) {
  return {.op = op, .service = "web", .key = std::move(key), .token = token(step), .comment = {}};
}

inline ServiceSpec simple() {
  ServiceSpec spec;
  spec.name = "web";
  spec.command = {"/bin/web"};
  return spec;
}

inline ServiceSpec notifying() {
  auto spec = simple();
  spec.type = Readiness::notify;
  return spec;
}

}  // namespace noforce::supervisor::testing
