// A mail spool. It takes messages over TCP, answers each once it is held in memory, and writes
// them to its file only when it is stopped, taking as long as it takes and saying so. Ended by
// force meanwhile, it loses what is not written: that is what the tests are about.
//
//   MSG <id>   -> OK <id>         the message is accepted: from here on it must not be lost
//   COUNT      -> COUNT <n>       how many are held
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "tests/services/common/life.hpp"
#include "tests/services/common/log.hpp"
#include "tests/services/common/loop.hpp"
#include "tests/services/common/net.hpp"
#include "tests/services/common/notify.hpp"

namespace services {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds longest_step{100};     // so progress shows at least ten times a second
constexpr Milliseconds step_allowance{2000};  // what a step may take on a busy disk

class Spool {
 public:
  // --listen 127.0.0.1:PORT   where messages come in
  // --spool FILE              where they are written
  // --flush-ms N              how long writing all of them takes (default 0: as fast as it goes)
  // --flush-each-ms N         the same, for each message
  // --arrive N                N messages wait at the sender when it starts: no start without mail
  explicit Spool(const Arguments& arguments)
      : life_(arguments, "spool"),
        file_(open_to_append(arguments.text("--spool", "spool.txt"))),
        flush_total_(arguments.number("--flush-ms", 0)),
        flush_each_(arguments.number("--flush-each-ms", 0)) {
    for (long i = 0; i < arguments.number("--arrive", 0); ++i)
      held_.push_back("arrived-" + std::to_string(::getpid()) + "-" + std::to_string(i));
    loop_.on_signal(SIGTERM, [this] { stop(); });
    server_ =
        std::make_unique<Server>(loop_, arguments.text("--listen"),
                                 lines([this](std::string_view line) { return answer(line); }));
  }

  int run() {
    life_.event("ready");
    notify_.ready("taking mail");
    return loop_.run();
  }

 private:
  std::string answer(std::string_view line) {
    constexpr std::string_view message = "MSG ";
    if (line == "COUNT") return "COUNT " + std::to_string(held_.size());
    if (!line.starts_with(message)) return "ERR say MSG <id> or COUNT";
    held_.emplace_back(line.substr(message.size()));
    return "OK " + held_.back();
  }

  void stop() {
    if (stopping_) return life_.event("stop again");
    stopping_ = true;
    life_.event("stop");
    server_->wind_down();
    notify_.stopping("flushing " + std::to_string(held_.size()) + " messages");
    const Milliseconds wanted =
        std::max(flush_total_, flush_each_ * static_cast<long>(held_.size()));
    steps_ = std::max<std::size_t>(
        1, static_cast<std::size_t>((wanted + longest_step - Milliseconds(1)) / longest_step));
    step_length_ = held_.empty() ? Milliseconds{0} : wanted / static_cast<long>(steps_);
    loop_.after(step_length_, [this] { flush_step(); });
  }

  // The i-th of n steps writes what is due by then.
  void flush_step() {
    ++step_;
    const std::size_t due = held_.size() * step_ / steps_;
    std::string text;
    for (; written_ < due; ++written_)
      text += held_[written_] + "\n";
    append_durably(file_, text);
    const std::string status =
        "flushed " + std::to_string(written_) + " of " + std::to_string(held_.size());
    notify_.progress(status, step_length_ + step_allowance);
    if (step_ < steps_) {
      loop_.after(step_length_, [this] { flush_step(); });
      return;
    }
    log("%s", status.c_str());
    life_.event("end");
    loop_.stop(0);
  }

  Life life_;
  Notify notify_;
  Fd file_;
  Milliseconds flush_total_;
  Milliseconds flush_each_;
  std::vector<std::string> held_;  // accepted, in memory only
  bool stopping_ = false;
  std::size_t steps_ = 1;
  std::size_t step_ = 0;
  Milliseconds step_length_{0};
  std::size_t written_ = 0;
  Loop loop_;
  std::unique_ptr<Server> server_;
};

}  // namespace
}  // namespace services

int main(int argc, char** argv) {
  const services::Arguments arguments(argc, argv,
                                      {"--listen", "--spool", "--flush-ms", "--flush-each-ms",
                                       "--arrive", "--name", "--events", "--lock", "--count"});
  return services::Spool(arguments).run();
}
