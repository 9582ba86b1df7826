#include "core/http_probes.hpp"

#include <exception>
#include <utility>

namespace noforce {
namespace {

constexpr std::size_t most_threads = 4;

}  // namespace

void HttpProbes::ask(std::string url, std::string service, Milliseconds timeout,
                     std::function<void(Result<void>)> answer) {
  const MutexLock lock(mutex_);
  if (stopping_) return;
  waiting_.push_back({.url = std::move(url),
                      .service = std::move(service),
                      .until = std::chrono::steady_clock::now() + timeout,
                      .answer = std::move(answer)});
  if (waiting_.size() > idle_ && threads_.size() < most_threads) {
    threads_.emplace_back([this] { loop(); });
  }
  changed_.notify_one();
}

void HttpProbes::stop() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    threads = std::move(threads_);
    threads_.clear();
    changed_.notify_all();
  }
  for (std::thread& thread : threads)
    thread.join();
}

void HttpProbes::loop() {
  for (;;) {
    Question question;
    {
      MutexLock lock(mutex_);
      ++idle_;
      while (waiting_.empty() && !stopping_)
        changed_.wait(lock);
      --idle_;
      if (stopping_) return;
      question = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Result<void> result = ask_now(question);
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
    }
    question.answer(std::move(result));
  }
}

Result<void> HttpProbes::ask_now(const Question& question) const {
  const auto left =
      std::chrono::duration_cast<Milliseconds>(question.until - std::chrono::steady_clock::now());
  if (left <= Milliseconds{0}) {
    return fail(ErrorKind::verify_failed,
                "asking " + question.url + " had to wait for other probes for too long",
                question.service);
  }
  try {
    Result<void> result = probe_(question.url, left);
    if (!result) {
      result.error().kind = ErrorKind::verify_failed;
      result.error().service = question.service;
    }
    return result;
  } catch (const std::exception& problem) {
    return fail(ErrorKind::verify_failed, "asking " + question.url + " failed: " + problem.what(),
                question.service);
  }
}

}  // namespace noforce
