#include "core/scm/systemd/inbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace noforce::systemd {

void Promise::give(Result<void> answer) {
  const MutexLock lock(mutex_);
  if (!answer_) answer_ = std::move(answer);
  given_.notify_all();
}

std::optional<Result<void>> Promise::wait(MonoTime until) {
  MutexLock lock(mutex_);
  while (!answer_) {
    if (!given_.wait_until(lock, until)) break;
  }
  return answer_;
}

Inbox::Inbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Inbox::post(Request request) {
  {
    const MutexLock lock(mutex_);
    requests_.push_back(std::move(request));
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

std::vector<Request> Inbox::take() {
  std::uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof count);
  const MutexLock lock(mutex_);
  return std::exchange(requests_, {});
}

}  // namespace noforce::systemd
