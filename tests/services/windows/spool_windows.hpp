// The mail spool of a hosted service: takes messages over TCP, answers each once it is held in memory,
// and has them written only when the service is stopped. Ended by force, it loses them.
#pragma once

#include <winsock2.h>

#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace services::windows {

class Spool {
 public:
  Spool(unsigned short port, std::filesystem::path file);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Takes no more messages.
  void close();
  [[nodiscard]] std::size_t held();
  // What SET was told last; empty: nothing.
  [[nodiscard]] std::string setting();
  // Writes messages until `count` are in the file, durably.
  void write_up_to(std::size_t count);

 private:
  void serve();
  void converse(SOCKET peer);
  std::string answer(const std::string& line);

  std::filesystem::path file_;
  SOCKET listener_ = INVALID_SOCKET;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<std::string> held_;
  std::string setting_;
  std::size_t written_ = 0;
  bool closed_ = false;
};

}  // namespace services::windows
