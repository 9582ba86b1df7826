#include "tests/support/listener.hpp"

#include <chrono>
#include <utility>

namespace noforce::test {
namespace {

constexpr std::chrono::seconds kBroken{40};  // only broken code waits for so long

}  // namespace

void Listener::observed(std::string_view) {
  const std::scoped_lock lock(mutex_);
  ++moves_;
  moved_.notify_all();
}

void Listener::completed(Completion completion) {
  PicturePtr picture = picture_ ? picture_() : nullptr;
  const std::scoped_lock lock(mutex_);
  answers_.push_back({std::move(completion), std::move(picture)});
  ++moves_;
  moved_.notify_all();
}

void Listener::inventory_changed() {
  const std::scoped_lock lock(mutex_);
  ++inventories_;
  ++moves_;
  moved_.notify_all();
}

void Listener::connection_changed(bool lost) {
  const std::scoped_lock lock(mutex_);
  lost_ = lost;
  if (lost) ++losses_;
  ++moves_;
  moved_.notify_all();
}

bool Listener::wait(const std::function<bool()>& true_now) {
  const auto until = std::chrono::steady_clock::now() + kBroken;
  while (true) {
    std::uint64_t seen = 0;
    {
      const std::scoped_lock lock(mutex_);
      seen = moves_;
    }
    if (true_now()) return true;
    std::unique_lock lock(mutex_);
    if (!moved_.wait_until(lock, until, [&] { return moves_ != seen; })) return false;
  }
}

const Listener::Answer* Listener::find(const ControlToken& token) const {
  for (const auto& answer : answers_) {
    if (answer.completion.token == token) return &answer;
  }
  return nullptr;
}

std::optional<Result<void>> Listener::answer(const ControlToken& token) {
  const std::scoped_lock lock(mutex_);
  const Answer* found = find(token);
  return found == nullptr ? std::nullopt : std::optional(found->completion.result);
}

std::optional<Result<void>> Listener::last_answer(const ControlToken& token) {
  const std::scoped_lock lock(mutex_);
  std::optional<Result<void>> last;
  for (const auto& answer : answers_) {
    if (answer.completion.token == token) last = answer.completion.result;
  }
  return last;
}

PicturePtr Listener::picture_at_answer(const ControlToken& token) {
  const std::scoped_lock lock(mutex_);
  const Answer* found = find(token);
  return found == nullptr ? nullptr : found->picture;
}

int Listener::answers(const ControlToken& token) {
  const std::scoped_lock lock(mutex_);
  int count = 0;
  for (const auto& answer : answers_)
    count += answer.completion.token == token ? 1 : 0;
  return count;
}

int Listener::losses() {
  const std::scoped_lock lock(mutex_);
  return losses_;
}

bool Listener::lost() {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

int Listener::inventories() {
  const std::scoped_lock lock(mutex_);
  return inventories_;
}

std::uint64_t Listener::calls() {
  const std::scoped_lock lock(mutex_);
  return moves_;
}

}  // namespace noforce::test
