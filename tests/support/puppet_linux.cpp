#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "tests/support/puppet.hpp"

namespace noforce::test {
namespace {

bool notify(std::string text) {
  const char* address = std::getenv("NOTIFY_SOCKET");
  if (address == nullptr) return false;
  std::replace(text.begin(), text.end(), '|', '\n');
  return send_notification(address, text);
}

void write_down(const std::string& fifo, const std::string& signal) {
  const int fd = ::open((fifo + ".signals").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const std::string line = signal + "\n";
  (void)!::write(fd, line.data(), line.size());
  ::close(fd);
}

void listen_on(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) ::listen(fd, 16);
}

struct State {
  std::string fifo;
  bool holds = false;
  int stop_exit = 0;
};

int number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

void obey(State& state, const std::string& line) {
  const auto space = line.find(' ');
  const std::string verb = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (verb == "notify") notify(rest);
  if (verb == "hold") state.holds = true;
  if (verb == "say") (void)!::write(1, (rest + "\n").data(), rest.size() + 1);
  if (verb == "exit") ::_exit(std::atoi(rest.c_str()));
  if (verb == "child") {
    if (::fork() == 0) {
      sigset_t none;
      sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      notify(rest);
      ::pause();  // a sender that is gone could not be told from a foreign one
    }
  }
  if (verb == "flood") {
    for (int i = std::atoi(rest.c_str()); i > 0; --i)
      notify("STATUS=" + std::to_string(i));
  }
  if (verb == "listen") listen_on(std::atoi(rest.c_str()));
  if (verb == "hand-over") {
    const pid_t parent = ::getpid();
    if (::fork() != 0) {
      ::pause();
    } else {
      notify("MAINPID=" + std::to_string(::getpid()) + "\nSTATUS=handed over");
      ::kill(parent, SIGALRM);  // ends the parent, as its default
    }
  }
}

}  // namespace

bool send_notification(const std::string& address, const std::string& text) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.data(), address.size());
  if (name.sun_path[0] == '@') name.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool sent =
      ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&name),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size())) >= 0;
  ::close(fd);
  return sent;
}

int run_puppet(const std::string& fifo) {
  if (const int status = number_in_environment("PUPPET_FAILS"); status != 0) return status;
  State state{.fifo = fifo,
              .holds = std::getenv("PUPPET_HOLDS") != nullptr,
              .stop_exit = number_in_environment("PUPPET_STOP_EXIT")};
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2})
    sigaddset(&set, s);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC);
  const int orders = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  if (signals < 0 || orders < 0) return 99;
  if (std::getenv("PUPPET_SILENT") == nullptr) notify("READY=1");
  std::string input;
  while (true) {
    std::array<pollfd, 2> waits{pollfd{signals, POLLIN, 0}, pollfd{orders, POLLIN, 0}};
    ::poll(waits.data(), waits.size(), -1);
    if ((waits[0].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      (void)!::read(signals, &info, sizeof info);
      const int s = static_cast<int>(info.ssi_signo);
      write_down(fifo, s == SIGTERM ? "TERM" : s == SIGHUP ? "HUP" : std::to_string(s));
      if (s == SIGTERM && !state.holds) ::_exit(state.stop_exit);
    }
    if ((waits[1].revents & POLLIN) != 0) {
      std::array<char, 4096> buffer;
      const ssize_t got = ::read(orders, buffer.data(), buffer.size());
      if (got > 0) input.append(buffer.data(), static_cast<std::size_t>(got));
      for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
        const std::string line = input.substr(0, end);
        input.erase(0, end + 1);
        obey(state, line);
      }
    }
  }
}

Puppet::Puppet(std::string fifo) : fifo_(std::move(fifo)) {
  ::mkfifo(fifo_.c_str(), 0600);
  fd_ = ::open(fifo_.c_str(), O_RDWR | O_CLOEXEC);
}

Puppet::~Puppet() {
  ::close(fd_);
}

std::vector<std::string> Puppet::command() const {
  std::array<char, 4096> self;
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  return {std::string(self.data(), static_cast<std::size_t>(size)), "--puppet", fifo_};
}

void Puppet::tell(const std::string& line) const {
  const std::string text = line + "\n";
  (void)!::write(fd_, text.data(), text.size());
}

std::vector<std::string> Puppet::signals() const {
  std::vector<std::string> out;
  std::ifstream file(fifo_ + ".signals");
  for (std::string line; std::getline(file, line);)
    out.push_back(line);
  return out;
}

void Puppet::forget_signals() const {
  ::unlink((fifo_ + ".signals").c_str());
}

}  // namespace noforce::test
