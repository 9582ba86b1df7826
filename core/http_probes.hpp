// A few threads for the probes that block: HTTP is asked by the house's own client, which does.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/attendant.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

// Any thread. At most four threads, made when first needed.
class HttpProbes {
 public:
  explicit HttpProbes(HttpProbe probe) : probe_(std::move(probe)) {}
  ~HttpProbes() { stop(); }
  HttpProbes(const HttpProbes&) = delete;
  HttpProbes& operator=(const HttpProbes&) = delete;

  // `answer` is called on one of the threads: success, or verify_failed. What has waited for a
  // thread for longer than `timeout` fails without having been asked.
  void ask(std::string url, std::string service, Milliseconds timeout,
           std::function<void(Result<void>)> answer);
  // Forgets what waits, waits for what is being asked. No answer after it returned. Idempotent.
  void stop();

 private:
  struct Question {
    std::string url;
    std::string service;
    MonoTime until;
    std::function<void(Result<void>)> answer;
  };

  void loop();
  [[nodiscard]] Result<void> ask_now(const Question& question) const;

  const HttpProbe probe_;
  Mutex mutex_;
  Condition changed_;
  std::deque<Question> waiting_ NOFORCE_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ NOFORCE_GUARDED_BY(mutex_);
  std::size_t idle_ NOFORCE_GUARDED_BY(mutex_) = 0;
  bool stopping_ NOFORCE_GUARDED_BY(mutex_) = false;
};

}  // namespace noforce
