// Threads for connections, one each. A worker is spawned when more connections wait than workers
// are idle, up to a maximum, and leaves when it has been idle for a while. Beyond the maximum a
// connection goes to a shedder, which is meant to answer quickly that there is no room.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "core/clock.hpp"

namespace noforce::api {

class WorkerPool {
 public:
  // Called with `shed` when there is no worker for it. Must not throw.
  using Task = std::function<void(bool shed)>;

  struct Size {
    std::size_t workers = 256;
    std::size_t shedders = 4;
    std::size_t waiting_to_be_shed = 64;
    Milliseconds patience{10'000};  // how long an idle worker stays
  };

  // `make_room` is asked, before a task is shed, to free a worker soon; false: it cannot.
  WorkerPool(Size size, std::function<bool()> make_room);
  ~WorkerPool() { shutdown(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False: there is no room even to say so. Any thread.
  [[nodiscard]] bool enqueue(Task task);
  // Finishes what was taken, then joins. Idempotent; one thread.
  void shutdown();

 private:
  struct Crew {
    std::deque<Task> waiting;
    std::condition_variable came;
    std::size_t idle = 0;
    std::size_t starting = 0;  // spawned, and not yet looking for work
    std::size_t threads = 0;
  };

  // With mutex_ held: a thread of this crew is, or is about to be, free for one more task.
  [[nodiscard]] bool has_room(Crew& crew, std::size_t most, bool shed);
  [[nodiscard]] bool spawn(Crew& crew, bool shed);
  void work(Crew& crew, bool shed, std::list<std::thread>::iterator self);
  void join_finished();

  const Size size_;
  const std::function<bool()> make_room_;
  std::mutex mutex_;
  std::condition_variable ended_;    // a thread moved itself to finished_
  Crew workers_;                     // guarded by mutex_
  Crew shedders_;                    // guarded by mutex_
  std::list<std::thread> threads_;   // guarded by mutex_
  std::list<std::thread> finished_;  // guarded by mutex_; to be joined
  bool stopping_ = false;            // guarded by mutex_
};

}  // namespace noforce::api
