#include "core/scm/supervisor/mailbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace noforce::supervisor {

Mailbox::Mailbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Mailbox::post(Request request) {
  {
    MutexLock lock(mutex_);
    requests_.push_back(std::move(request));
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

std::vector<Request> Mailbox::take() {
  std::uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof count);
  std::vector<Request> out;
  MutexLock lock(mutex_);
  out.swap(requests_);
  return out;
}

}  // namespace noforce::supervisor
