#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include "agent/files.hpp"
#include "agent/local_socket.hpp"
#include "agent/log.hpp"
#include "agent/process.hpp"
#include "core/digest.hpp"
#include "core/fd.hpp"

namespace noforce::agent {
namespace {

struct Address {
  sockaddr_un address{};
  socklen_t size = 0;
};

Result<Address> address_of(const std::string& path) {
  Address out;
  if (path.size() >= sizeof(out.address.sun_path)) {
    return fail(ErrorKind::malformed, "the path of the local socket is longer than the system's " +
                                          std::to_string(sizeof(out.address.sun_path) - 1) +
                                          " characters: " + path + "; choose a shorter state_dir");
  }
  out.address.sun_family = AF_UNIX;
  ::memcpy(out.address.sun_path, path.data(), path.size());
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

const sockaddr* generic(const Address& address) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
  return reinterpret_cast<const sockaddr*>(&address.address);
}

enum class Wait : std::uint8_t { ready, late, interrupted };

// Waits for `events` on `fd`, or for `wake` (where it is one) to be readable.
Wait wait_for(int fd, short events, int wake, MonoTime until) {
  for (;;) {
    const auto left = std::chrono::ceil<Milliseconds>(until - system_clock().mono());
    if (left <= Milliseconds(0)) return Wait::late;
    std::array<pollfd, 2> fds{
        {{.fd = fd, .events = events, .revents = 0}, {.fd = wake, .events = POLLIN, .revents = 0}}};
    const int n = ::poll(fds.data(), fds.size(), static_cast<int>(left.count()));
    if (n < 0 && errno != EINTR) return Wait::late;
    if (n > 0 && fds[1].revents != 0) return Wait::interrupted;
    if (n > 0 && fds[0].revents != 0) return Wait::ready;
  }
}

// Up to the first newline, which is left out; nullopt when it does not come in time or at all.
std::optional<std::string> read_line(int fd, std::size_t most, int wake, MonoTime until) {
  std::string line;
  std::array<char, 4096> buffer{};
  while (wait_for(fd, POLLIN, wake, until) == Wait::ready) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return std::nullopt;
    line.append(buffer.data(), static_cast<std::size_t>(n));
    if (const std::size_t end = line.find('\n'); end != std::string::npos) {
      line.resize(end);
      return line.size() <= most ? std::optional(line) : std::nullopt;
    }
    if (line.size() > most) return std::nullopt;
  }
  return std::nullopt;
}

bool write_line(int fd, std::string_view text, int wake, MonoTime until) {
  std::string line(text);
  const Wiped wiped(line);
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    if (wait_for(fd, POLLOUT, wake, until) != Wait::ready) return false;
    const ssize_t n = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

class Listening final : public LocalSocket {
 public:
  Listening(std::string path, LocalHandler handler, Fd listener, Fd wake)
      : path_(std::move(path)),
        handler_(std::move(handler)),
        listener_(std::move(listener)),
        wake_(std::move(wake)),
        thread_([this] { run(); }) {}

  ~Listening() override {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof(one));
    thread_.join();
    remove_file(path_);
  }

  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  void run() {
    constexpr auto for_ever = std::chrono::hours(24);
    for (;;) {
      const Wait waited =
          wait_for(listener_.get(), POLLIN, wake_.get(), system_clock().mono() + for_ever);
      if (waited == Wait::interrupted) return;
      if (waited == Wait::late) continue;
      const Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!peer) {
        if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(Milliseconds(100));
        continue;
      }
      serve(peer.get());
    }
  }

  void serve(int peer) {
    ucred who{};
    socklen_t size = sizeof(who);
    const MonoTime until = system_clock().mono() + local_patience;
    if (::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return;
    if (who.uid != 0 && who.uid != ::geteuid()) {
      log(LogLevel::warning, "refused a user on the local socket",
          {{"user", user_name(who.uid)}, {"pid", std::to_string(who.pid)}});
      (void)write_line(peer,
                       R"({"ok":false,"error":{"code":"forbidden","detail":)"
                       R"("only root and the agent's own user may do that"}})",
                       wake_.get(), until);
      return;
    }
    const auto request = read_line(peer, longest_request, wake_.get(), until);
    if (!request) return;
    // The answer has its own time: a reload or a look through the audit trail may take some. It may
    // hold a new token.
    std::string answer = handler_(user_name(who.uid), *request);
    const Wiped wiped(answer);
    (void)write_line(peer, answer, wake_.get(), system_clock().mono() + local_patience);
  }

  const std::string path_;
  const LocalHandler handler_;
  const Fd listener_;
  const Fd wake_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<LocalSocket>> open_local_socket(const std::string& path,
                                                       LocalHandler handler) {
  const Result<Address> address = address_of(path);
  if (!address) return std::unexpected(address.error());
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener || !wake) return system_error("cannot make the local socket", errno);
  remove_file(path);
  // The directory is 0700 and the process's umask 077; the mode is for whoever changes those.
  constexpr int backlog = 16;
  if (::bind(listener.get(), generic(*address), address->size) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), backlog) != 0) {
    return system_error("cannot listen on " + path, errno);
  }
  return std::make_unique<Listening>(path, std::move(handler), std::move(listener),
                                     std::move(wake));
}

Result<std::string> ask_local(const std::string& path, std::string_view request) {
  const Result<Address> address = address_of(path);
  if (!address) return std::unexpected(address.error());
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("cannot make a socket", errno);
  if (::connect(fd.get(), generic(*address), address->size) != 0) {
    const int number = errno;
    if (number == ENOENT || number == ECONNREFUSED) {
      return fail(ErrorKind::not_found, "no agent listens on " + path);
    }
    if (number == EACCES || number == EPERM) {
      return fail(ErrorKind::forbidden, "this user may not speak to the agent on " + path +
                                            "; become root or the agent's user");
    }
    return system_error("cannot reach the agent on " + path, number);
  }
  constexpr auto grace = std::chrono::seconds(1);  // the agent says so itself when it is late
  const MonoTime until = system_clock().mono() + 2 * local_patience + grace;
  constexpr int nothing = -1;
  const bool sent = write_line(fd.get(), request, nothing, until);
  auto answer = read_line(fd.get(), longest_answer, nothing, until);
  if (answer) return std::move(*answer);
  return fail(ErrorKind::timeout, "the agent on " + path +
                                      (sent ? " gave no answer" : " did not take the request") +
                                      "; look into its log");
}

}  // namespace noforce::agent
