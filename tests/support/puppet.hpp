// A service that does what the test tells it, and writes down the signals that it gets.
#pragma once

#include <string>
#include <vector>

namespace noforce::test {

// The service's side. It says READY=1 once it listens; its commands, one a line, come over the fifo:
//   notify TEXT    sends TEXT ("|" for a newline) to NOTIFY_SOCKET
//   child TEXT     the same from a child of it, which then ends with it
//   flood N        N messages as fast as it can
//   listen PORT    on 127.0.0.1
//   hand-over      a child becomes the main process (MAINPID=), this one ends
//   hold           from now on SIGTERM is only written down
//   say TEXT       writes TEXT to standard output
//   exit N
// Signals TERM, HUP, USR1, USR2 are written to FIFO.signals, a line each; TERM also ends it with 0,
// unless it holds. Its environment says how it is from the first instant on:
//   PUPPET_SILENT      does not say READY=1
//   PUPPET_HOLDS       holds
//   PUPPET_STOP_EXIT   the exit status with which TERM ends it, instead of 0
//   PUPPET_FAILS       ends with this exit status instead of listening
int run_puppet(const std::string& fifo);

// Sends a message to a NOTIFY_SOCKET address ("@name"), from this process.
bool send_notification(const std::string& address, const std::string& text);

// The test's side.
class Puppet {
 public:
  explicit Puppet(std::string fifo);  // makes the fifo
  ~Puppet();
  Puppet(const Puppet&) = delete;
  Puppet& operator=(const Puppet&) = delete;

  [[nodiscard]] std::vector<std::string> command() const;
  void tell(const std::string& line) const;
  [[nodiscard]] std::vector<std::string> signals() const;
  void forget_signals() const;

 private:
  std::string fifo_;
  int fd_ = -1;
};

}  // namespace noforce::test
