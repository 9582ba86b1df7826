#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "agent/journald.hpp"
#include "core/fd.hpp"
#include "core/text.hpp"

namespace noforce::agent {
namespace {

// As syslog(3) counts them.
char priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return '7';
    case LogLevel::info:
      return '6';
    case LogLevel::warning:
      return '4';
    case LogLevel::error:
      return '3';
  }
  return '6';
}

// Cleaned: a value of one line needs no length before it.
void add(std::string& out, std::string_view key, std::string_view value) {
  out += std::string(key) + "=" + clean_text(value, longest_log_value) + "\n";
}

std::string upper_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

}  // namespace

bool leads_to_journald(const char* stream, int descriptor) {
  struct stat status{};
  if (stream == nullptr || ::fstat(descriptor, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

std::string journal_datagram(const LogEntry& entry) {
  // Whoever reads without the fields sees them all the same.
  std::string message = std::string(entry.from) + ": " + clean_text(entry.text, longest_log_value);
  for (const LogField& field : entry.fields)
    message += " " + log_field(field);
  std::string out = "MESSAGE=" + message + "\nPRIORITY=";
  out += priority_of(entry.level);
  out += "\nSYSLOG_IDENTIFIER=noforce\n";
  add(out, "NOFORCE_FROM", entry.from);
  add(out, "NOFORCE_EVENT", entry.text);
  for (const LogField& field : entry.fields)
    add(out, "NOFORCE_" + upper_ascii(field.key), field.value);
  return out;
}

bool Journald::keep(const LogEntry& entry) {
  const MutexLock lock(mutex_);
  if (lost_ > 0 &&
      send({.level = LogLevel::warning,
            .from = "agent",
            .text = "journald was behind, and lines of the log are lost",
            .fields = {{.key = "lost", .value = std::to_string(lost_)}}}) == Sent::yes) {
    lost_ = 0;
  }
  const Sent sent = lost_ > 0 ? Sent::behind : send(entry);
  if (sent == Sent::behind) ++lost_;
  return sent != Sent::no;
}

// A socket for each line: it is found again after journald was restarted, and nothing is open that a
// fork would have to think of.
Journald::Sent Journald::send(const LogEntry& entry) const {
  sockaddr_un address{};
  if (socket_.size() >= sizeof(address.sun_path)) return Sent::no;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return Sent::no;
  const std::string datagram = journal_datagram(entry);
  if (::sendto(fd.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
               reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0) {
    return Sent::yes;
  }
  return errno == EAGAIN || errno == ENOBUFS ? Sent::behind : Sent::no;
}

}  // namespace noforce::agent
