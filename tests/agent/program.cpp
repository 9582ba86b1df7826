#include "tests/agent/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <ios>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent::test {
namespace {

std::string program() {
  const char* named = ::getenv("NOFORCE_BIN");
  return named != nullptr ? named : NOFORCE_BIN;
}

pid_t spawn(const std::vector<std::string>& words, const std::string& out, const std::string& err,
            std::vector<std::string> all = {}) {
  all.push_back(program());
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  constexpr int append = O_WRONLY | O_CREAT | O_APPEND;
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), append, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), append, 0600);
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ), 0) << argv[0];
  ::posix_spawn_file_actions_destroy(&actions);
  return pid;
}

int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

void sleep_a_little() {
  std::this_thread::sleep_for(Milliseconds(5));
}

Outcome run(const std::vector<std::string>& words) {
  const TemporaryDirectory dir;
  Outcome outcome;
  const pid_t pid = spawn(words, dir / "out", dir / "err");
  int status = 0;
  const bool ended =
      eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, Milliseconds(60'000));
  EXPECT_TRUE(ended) << "it still runs";
  outcome.status = ended ? status_of(status) : -1;
  outcome.out = content_of(dir / "out");
  outcome.err = content_of(dir / "err");
  return outcome;
}

ServedAgent::ServedAgent(const std::string& settings, const std::string& state_dir,
                         const std::vector<std::string>& below)
    : log_(settings + ".log") {
  const std::string address = state_dir + "/agent.address";
  std::error_code ignored;
  std::filesystem::remove(address, ignored);
  std::filesystem::remove(log_, ignored);  // of an agent before this one
  pid_ = spawn({"serve", "--config", settings}, log_, log_, below);
  serving_ =
      eventually([&] { return wait(Milliseconds(0)) >= 0 || logs_now("msg=ready"); }) && !ended_;
  address_ = content_of(address);
  if (address_.ends_with('\n')) address_.pop_back();
}

ServedAgent::~ServedAgent() {
  if (ended_) return;
  EXPECT_EQ(end(), 0) << log();
}

void ServedAgent::signal(int number) const {
  ::kill(pid_, number);
}

int ServedAgent::wait(Milliseconds patience) {
  const MonoTime until = system_clock().mono() + patience;
  while (!ended_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      ended_ = true;
      status_ = status_of(status);
    } else if (system_clock().mono() >= until) {
      return -1;
    } else {
      sleep_a_little();
    }
  }
  return status_;
}

int ServedAgent::end() {
  signal(SIGTERM);
  return wait();
}

std::string ServedAgent::log() const {
  return content_of(log_);
}

bool ServedAgent::logs_now(const std::string& text) const {
  return log().find(text) != std::string::npos;
}

bool ServedAgent::logs(const std::string& text) const {
  return eventually([&] { return logs_now(text); });
}

std::vector<pid_t> processes_with(const std::string& text) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (!std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    std::string command;
    try {
      command = content_of(entry.path().string() + "/cmdline");
    } catch (const std::ios_base::failure&) {
      continue;  // it has just ended
    }
    std::ranges::replace(command, '\0', ' ');
    if (command.find(text) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

}  // namespace noforce::agent::test
