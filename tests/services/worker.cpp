// A service that behaves as it is told: by its arguments, and by a control file that it reads at
// each event and whenever it changes, so that a test can change its mind while it runs.
//
// Behaviours (N and M are milliseconds, C is an exit status); in the control file as `key = value`
// lines, as arguments `--key value`; the file counts where it names a key:
//
//   start   now | after N | progress N M | never | crash C
//   stop    now | after N | progress N M | hang | refuse | crash C
//   run     ok | crash N C
//   answer  200 | 500 | never                 what the HTTP port says
//
// `progress N M` takes N and reports each M. `hang` says that it stops and then does nothing;
// `refuse` does not react at all. Both end when the file names another behaviour, or on SIGUSR1.
// SIGHUP counts in the state file ("reloads = 3").
#include <sys/epoll.h>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
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

// A behaviour and its numbers: "progress 3000 100".
struct Behaviour {
  std::string kind;
  std::array<long, 2> numbers{0, 0};

  bool operator==(const Behaviour&) const = default;
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n", begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Behaviour behaviour_of(const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  Behaviour behaviour;
  if (!words.empty()) behaviour.kind = words[0];
  for (std::size_t i = 1; i < words.size() && i <= behaviour.numbers.size(); ++i)
    behaviour.numbers[i - 1] = std::max(0L, to_number(words[i]));
  return behaviour;
}

class Worker {
 public:
  // Besides the behaviours:
  // --control FILE   the control file; need not be there
  // --state FILE     where reloads are counted
  // --chatter MS     a log line each MS as long as it runs
  // --http PORT      answers HTTP once it is ready, by the behaviour `answer`
  // --tcp PORT       accepts connections once it is ready, and answers each line with it
  explicit Worker(const Arguments& arguments)
      : arguments_(arguments),
        life_(arguments, "worker"),
        control_(arguments.text("--control")),
        state_(arguments.text("--state")),
        chatter_(arguments.number("--chatter", 0)) {
    loop_.on_signal(SIGTERM, [this] { asked_to_stop(); });
    loop_.on_signal(SIGHUP, [this] { reload(); });
    loop_.on_signal(SIGUSR1, [this] { released(); });
    watch_control_file();
  }

  int run() {
    if (chatter_ > Milliseconds(0)) chatter();
    begin_start();
    return loop_.run();
  }

 private:
  enum class Phase { starting, running, stopping };

  // What the control file says of it, else the argument, else `otherwise`.
  [[nodiscard]] Behaviour told(const std::string& key, const std::string& otherwise) const {
    const std::string content = control_.empty() ? "" : read_file(control_);
    for (std::size_t begin = 0; begin < content.size();) {
      const std::size_t end = std::min(content.find('\n', begin), content.size());
      const std::string line = content.substr(begin, end - begin);
      begin = end + 1;
      const std::size_t equals = line.find('=');
      if (equals == std::string::npos) continue;
      const std::vector<std::string> name = words_of(line.substr(0, equals));
      if (name.size() == 1 && name[0] == key) return behaviour_of(line.substr(equals + 1));
    }
    return behaviour_of(arguments_.text("--" + key, otherwise));
  }

  void watch_control_file() {
    if (control_.empty()) return;
    inotify_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    const std::string folder = std::filesystem::absolute(control_).parent_path();
    if (!inotify_ || ::inotify_add_watch(inotify_.get(), folder.c_str(),
                                         IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE) < 0)
      die(folder.c_str());
    loop_.on_fd(inotify_.get(), EPOLLIN, [this](std::uint32_t) {
      std::array<char, 4096> events{};
      while (::read(inotify_.get(), events.data(), events.size()) > 0) {
      }
      control_changed();
    });
  }

  void control_changed() {
    if (phase_ == Phase::starting && told("start", "now") != start_) begin_start();
    if (phase_ == Phase::running) apply_run();
    if (stop_asked_ && told("stop", "now") != stop_) begin_stop();
  }

  void chatter() {
    life_.line("is here");
    loop_.after(chatter_, [this] { chatter(); });
  }

  void crash(long status) {
    life_.event("crash " + std::to_string(status));
    std::_Exit(static_cast<int>(status));
  }

  // Goes through `total` in steps of `every`, reporting each, then does `done`.
  void progress(const std::string& what, Milliseconds total, Milliseconds every, Milliseconds spent,
                Loop::Handler done) {
    if (spent >= total) return done();
    every = std::max(every, Milliseconds(1));
    notify_.progress(
        what + " " + std::to_string(spent.count()) + " of " + std::to_string(total.count()) + " ms",
        every * 2);
    pending_ = loop_.after(std::min(every, total - spent),
                           [this, what, total, every, spent, done = std::move(done)] {
                             progress(what, total, every, spent + every, done);
                           });
  }

  void begin_start() {
    loop_.cancel(pending_);
    start_ = told("start", "now");
    const Milliseconds first(start_.numbers[0]);
    if (start_.kind == "crash") return crash(start_.numbers[0]);
    if (start_.kind == "never") return log("never gets ready");
    if (start_.kind == "after")
      pending_ = loop_.after(first, [this] { ready(); });
    else if (start_.kind == "progress")
      progress("starting", first, Milliseconds(start_.numbers[1]), Milliseconds(0),
               [this] { ready(); });
    else
      ready();
  }

  void ready() {
    phase_ = Phase::running;
    if (const std::string port = arguments_.text("--tcp"); !port.empty())
      tcp_ = std::make_unique<Server>(
          loop_, port, lines([](std::string_view line) { return std::string(line); }));
    if (const std::string port = arguments_.text("--http"); !port.empty())
      http_ = std::make_unique<Server>(
          loop_, port, [this](std::string_view input) { return answer_http(input); });
    life_.event("ready");
    notify_.ready("working");
    apply_run();
  }

  void apply_run() {
    const Behaviour run = told("run", "ok");
    if (run == run_) return;
    run_ = run;
    loop_.cancel(pending_);
    if (run.kind == "crash")
      pending_ = loop_.after(Milliseconds(run.numbers[0]), [this, run] { crash(run.numbers[1]); });
  }

  void asked_to_stop() {
    if (stop_asked_) {
      life_.event("stop again");
      return;
    }
    stop_asked_ = true;
    life_.event("stop");
    begin_stop();
  }

  void begin_stop() {
    stop_ = told("stop", "now");
    if (stop_.kind == "refuse") return log("does not react to the stop");
    loop_.cancel(pending_);
    if (phase_ != Phase::stopping) {
      phase_ = Phase::stopping;
      http_.reset();
      tcp_.reset();
      notify_.stopping("stopping");
    }
    const Milliseconds first(stop_.numbers[0]);
    if (stop_.kind == "crash") return crash(stop_.numbers[0]);
    if (stop_.kind == "hang") return log("hangs in its stop until it is told otherwise");
    if (stop_.kind == "after")
      pending_ = loop_.after(first, [this] { end(); });
    else if (stop_.kind == "progress")
      progress("stopping", first, Milliseconds(stop_.numbers[1]), Milliseconds(0),
               [this] { end(); });
    else
      end();
  }

  void released() {
    if (stop_asked_) end();
  }

  void end() {
    life_.event("end");
    loop_.stop(0);
  }

  void reload() {
    ++reloads_;
    life_.event("reload");
    if (!state_.empty()) replace_file(state_, "reloads = " + std::to_string(reloads_) + "\n");
  }

  [[nodiscard]] Server::Answer answer_http(std::string_view input) const {
    const std::size_t end = input.find("\r\n\r\n");
    if (end == std::string_view::npos) return {};
    const Behaviour behaviour = told("answer", "200");
    if (behaviour.kind == "never") return {.taken = end + 4, .reply = {}};
    const bool well = behaviour.kind == "200";
    const std::string body = life_.name() + (well ? " is well\n" : " is not well\n");
    return {.taken = end + 4,
            .reply = std::string(well ? "HTTP/1.1 200 OK" : "HTTP/1.1 500 Internal Server Error") +
                     "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n" + body,
            .close_after = true};
  }

  const Arguments& arguments_;
  Life life_;
  Notify notify_;
  std::string control_;
  std::string state_;
  Milliseconds chatter_;
  Phase phase_ = Phase::starting;
  bool stop_asked_ = false;
  Behaviour start_;
  Behaviour stop_;
  Behaviour run_;
  Loop::Timer pending_{};  // the one thing that this phase waits for
  long reloads_ = 0;
  Loop loop_;
  Fd inotify_;
  std::unique_ptr<Server> http_;
  std::unique_ptr<Server> tcp_;
};

}  // namespace
}  // namespace services

int main(int argc, char** argv) {
  const services::Arguments arguments(
      argc, argv,
      {"--start", "--stop", "--run", "--answer", "--control", "--state", "--http", "--tcp",
       "--chatter", "--name", "--events", "--lock", "--count"});
  return services::Worker(arguments).run();
}
