#include "tests/services/windows/spool_windows.hpp"

#include <fcntl.h>
#include <io.h>

#include <cstdlib>
#include <utility>

namespace services::windows {

Spool::Spool(unsigned short port, std::filesystem::path file) : file_(std::move(file)) {
  WSADATA started{};
  WSAStartup(MAKEWORD(2, 2), &started);
  listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(port);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(listener_, 64) != 0) {
    std::_Exit(98);  // its port is taken: a start that came too early shows
  }
  thread_ = std::thread([this] { serve(); });
}

Spool::~Spool() {
  close();
}

void Spool::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  ::closesocket(listener_);
  thread_.join();
}

std::size_t Spool::held() {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

std::string Spool::setting() {
  const std::lock_guard lock(mutex_);
  return setting_;
}

void Spool::write_up_to(std::size_t count) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    for (; written_ < count && written_ < held_.size(); ++written_)
      text += held_[written_] + "\n";
  }
  const int fd = ::_wopen(file_.c_str(), _O_WRONLY | _O_CREAT | _O_APPEND | _O_BINARY, 0600);
  if (fd < 0 || ::_write(fd, text.data(), static_cast<unsigned>(text.size())) < 0 ||
      ::_commit(fd) != 0) {
    std::_Exit(97);
  }
  ::_close(fd);
}

void Spool::serve() {
  for (;;) {
    const SOCKET peer = ::accept(listener_, nullptr, nullptr);
    if (peer == INVALID_SOCKET) return;
    std::thread([this, peer] { converse(peer); }).detach();
  }
}

void Spool::converse(SOCKET peer) {
  std::string pending;
  char bytes[4096];
  for (;;) {
    const int got = ::recv(peer, bytes, sizeof bytes, 0);
    if (got <= 0) break;
    pending.append(bytes, static_cast<std::size_t>(got));
    for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      const std::string said = answer(pending.substr(0, end)) + "\n";
      pending.erase(0, end + 1);
      ::send(peer, said.data(), static_cast<int>(said.size()), 0);
    }
  }
  ::closesocket(peer);
}

std::string Spool::answer(const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (closed_) return "ERR stopping";
  if (line.starts_with("MSG ")) {
    held_.push_back(line.substr(4));
    return "OK " + held_.back();
  }
  if (line.starts_with("SET ")) {
    setting_ = line.substr(4);
    return "OK";
  }
  if (line == "COUNT") return "COUNT " + std::to_string(held_.size());
  return "ERR say MSG <id>, SET <text> or COUNT";
}

}  // namespace services::windows
