#include "api/server/worker_pool.hpp"

#include <system_error>

#include <openssl/crypto.h>

namespace noforce::api {

WorkerPool::WorkerPool(Size size, std::function<bool()> make_room)
    : size_(size), make_room_(std::move(make_room)) {}

bool WorkerPool::spawn(Crew& crew, bool shed) {
  threads_.emplace_front();
  const auto self = threads_.begin();
  try {
    // The thread waits for mutex_, which is held here, before it looks at itself.
    *self = std::thread(&WorkerPool::work, this, std::ref(crew), shed, self);
  } catch (const std::system_error&) {
    threads_.erase(self);  // no thread to be had: those that are there have to do
    return false;
  }
  ++crew.threads;
  ++crew.starting;
  return true;
}

void WorkerPool::work(Crew& crew, bool shed, std::list<std::thread>::iterator self) {
  std::unique_lock lock(mutex_);
  --crew.starting;
  for (;;) {
    if (crew.waiting.empty()) {
      if (stopping_) break;
      ++crew.idle;
      const bool came = crew.came.wait_for(lock, size_.patience,
                                           [&] { return !crew.waiting.empty() || stopping_; });
      --crew.idle;
      if (!came) break;
      continue;
    }
    Task task = std::move(crew.waiting.front());
    crew.waiting.pop_front();
    lock.unlock();
    task(shed);
    task = nullptr;
    lock.lock();
  }
  --crew.threads;
  finished_.splice(finished_.begin(), threads_, self);
  ended_.notify_all();
  lock.unlock();
  OPENSSL_thread_stop();
}

void WorkerPool::join_finished() {
  std::list<std::thread> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (std::thread& thread : finished)
    thread.join();
}

bool WorkerPool::has_room(Crew& crew, std::size_t most, bool shed) {
  // A worker that was woken counts as idle until it runs; what waits is promised to such a one.
  return crew.waiting.size() < crew.idle + crew.starting ||
         (crew.threads < most && spawn(crew, shed));
}

bool WorkerPool::enqueue(Task task) {
  join_finished();
  std::unique_lock lock(mutex_);
  if (stopping_) return false;
  Crew* crew = &workers_;
  if (!has_room(workers_, size_.workers, false)) {
    lock.unlock();
    const bool made_room = make_room_ && make_room_();
    lock.lock();
    if (stopping_) return false;
    if (!made_room) {
      crew = &shedders_;
      const bool somebody_sheds =
          has_room(shedders_, size_.shedders, true) ||
          (shedders_.threads > 0 && shedders_.waiting.size() < size_.waiting_to_be_shed);
      if (!somebody_sheds) return false;
    }
  }
  crew->waiting.push_back(std::move(task));
  crew->came.notify_one();
  return true;
}

void WorkerPool::shutdown() {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    workers_.came.notify_all();
    shedders_.came.notify_all();
    ended_.wait(lock, [this] { return threads_.empty(); });
  }
  join_finished();
}

}  // namespace noforce::api
