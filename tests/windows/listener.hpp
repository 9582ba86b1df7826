// Collects what a backend says; waits are woken by it, with a limit for broken code only.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "core/scm/port.hpp"

namespace noforce::windows::testing {

inline constexpr std::chrono::seconds kBroken{40};

class Listener final : public ScmSink {
 public:
  void observed(std::string_view) override { move(); }
  void completed(Completion completion) override {
    const std::lock_guard lock(mutex_);
    completions_.push_back(std::move(completion));
    ++moves_;
    moved_.notify_all();
  }
  void inventory_changed() override {
    ++inventories_;
    move();
  }
  void connection_changed(bool lost) override {
    losses_ += lost ? 1 : 0;
    lost_ = lost;
    move();
  }

  // Waits until `true_now`, looked at after each call of the backend.
  bool wait(const std::function<bool()>& true_now) {
    const auto until = std::chrono::steady_clock::now() + kBroken;
    for (;;) {
      std::uint64_t seen = 0;
      {
        const std::lock_guard lock(mutex_);
        seen = moves_;
      }
      if (true_now()) return true;
      std::unique_lock lock(mutex_);
      if (!moved_.wait_until(lock, until, [&] { return moves_ != seen; })) return false;
    }
  }
  [[nodiscard]] std::optional<Result<void>> answer(const ControlToken& token) {
    const std::lock_guard lock(mutex_);
    for (const auto& one : completions_) {
      if (one.token == token) return one.result;
    }
    return std::nullopt;
  }
  [[nodiscard]] int answers(const ControlToken& token) {
    const std::lock_guard lock(mutex_);
    int count = 0;
    for (const auto& one : completions_)
      count += one.token == token ? 1 : 0;
    return count;
  }
  [[nodiscard]] bool lost() const { return lost_; }
  [[nodiscard]] int losses() const { return losses_; }
  [[nodiscard]] int inventories() const { return inventories_; }

 private:
  void move() {
    const std::lock_guard lock(mutex_);
    ++moves_;
    moved_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable moved_;
  std::uint64_t moves_ = 0;
  std::vector<Completion> completions_;
  std::atomic<int> inventories_ = 0;
  std::atomic<int> losses_ = 0;
  std::atomic<bool> lost_ = false;
};

}  // namespace noforce::windows::testing
