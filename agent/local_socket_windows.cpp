// A named pipe. Its name is drawn for each agent and stands in the file that is the socket elsewhere,
// which those alone can write who may speak to the agent. The name is no secret, since everybody may list
// the pipes of a machine, and one that an agent left behind is anybody's: so who asks looks first to
// whom the pipe belongs ("Named Pipe Security and Access Rights").
#include <windows.h>
// After windows.h, which it needs.
#include <aclapi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "agent/files.hpp"
#include "agent/local_socket.hpp"
#include "agent/log.hpp"
#include "core/digest.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"
#include "core/windows_security.hpp"

namespace noforce::agent {
namespace {

constexpr std::string_view prefix = R"(\\.\pipe\noforce-)";
constexpr DWORD buffer_size = 65'536;

WindowsHandle make_event() {
  return WindowsHandle(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
}

DWORD milliseconds_to(MonoTime until) {
  const auto left = std::chrono::ceil<Milliseconds>(until - system_clock().mono()).count();
  return static_cast<DWORD>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

// One reading, writing or connecting that goes on in the background; its memory outlives it.
class Transfer {
 public:
  explicit Transfer(const WindowsHandle& pipe) : pipe_(pipe), event_(make_event()) {
    overlapped_.hEvent = event_.get();
  }
  ~Transfer() { give_up(); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  OVERLAPPED* get() { return &overlapped_; }
  // `begun` is what the call returned. How much was moved; nullopt: it failed, it was too late, or
  // `wake` (where there is one) was set.
  std::optional<DWORD> finish(BOOL begun, const WindowsHandle& wake, MonoTime until) {
    if (begun == 0 && ::GetLastError() == ERROR_PIPE_CONNECTED) return 0;
    if (begun == 0 && ::GetLastError() != ERROR_IO_PENDING) return std::nullopt;
    pending_ = true;
    const std::array<HANDLE, 2> handles{event_.get(), wake.get()};
    const DWORD count = wake ? 2 : 1;
    if (::WaitForMultipleObjects(count, handles.data(), FALSE, milliseconds_to(until)) !=
        WAIT_OBJECT_0) {
      give_up();
      return std::nullopt;
    }
    pending_ = false;
    DWORD moved = 0;
    if (::GetOverlappedResult(pipe_.get(), &overlapped_, &moved, FALSE) == 0) return std::nullopt;
    return moved;
  }

 private:
  void give_up() {
    if (!std::exchange(pending_, false)) return;
    DWORD moved = 0;
    ::CancelIoEx(pipe_.get(), &overlapped_);
    ::GetOverlappedResult(pipe_.get(), &overlapped_, &moved, TRUE);
  }

  const WindowsHandle& pipe_;
  WindowsHandle event_;
  OVERLAPPED overlapped_{};
  bool pending_ = false;
};

// Up to the first newline, which is left out; nullopt when it does not come in time or at all.
std::optional<std::string> read_line(const WindowsHandle& pipe, std::size_t most,
                                     const WindowsHandle& wake, MonoTime until) {
  std::string line;
  std::array<char, 4096> buffer{};
  for (;;) {
    Transfer transfer(pipe);
    const BOOL begun =
        ::ReadFile(pipe.get(), buffer.data(), buffer.size(), nullptr, transfer.get());
    const auto count = transfer.finish(begun, wake, until);
    if (!count || *count == 0) return std::nullopt;
    line.append(buffer.data(), *count);
    if (const std::size_t end = line.find('\n'); end != std::string::npos) {
      line.resize(end);
      return line.size() <= most ? std::optional(line) : std::nullopt;
    }
    if (line.size() > most) return std::nullopt;
  }
}

bool write_line(const WindowsHandle& pipe, std::string_view text, const WindowsHandle& wake,
                MonoTime until) {
  std::string line(text);
  const Wiped wiped(line);
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    Transfer transfer(pipe);
    const DWORD size = static_cast<DWORD>(std::min<std::size_t>(rest.size(), buffer_size));
    const BOOL begun = ::WriteFile(pipe.get(), rest.data(), size, nullptr, transfer.get());
    const auto count = transfer.finish(begun, wake, until);
    if (!count) return false;
    rest.remove_prefix(*count);
  }
  return true;
}

struct Peer {
  std::string user;
  bool is_trusted = false;  // the agent's own user, SYSTEM, or an administrator
};

Peer judge(HANDLE token) {
  const std::string sid = user_of_token(token);
  return {.user = sid.empty() ? "" : account_name(sid),
          .is_trusted = is_trusted_sid(sid) || has_administrators_rights(token)};
}

// The token that the peer spoke with, once a line was read; nullopt: it lets nobody see it (a client of
// the anonymous level). False in `is_itself`: this thread acts as the peer from now on.
std::optional<Peer> peer_of(const WindowsHandle& pipe, bool& is_itself) {
  if (::ImpersonateNamedPipeClient(pipe.get()) == 0) return std::nullopt;
  HANDLE opened = nullptr;
  const bool has_token = ::OpenThreadToken(::GetCurrentThread(), TOKEN_QUERY, TRUE, &opened) != 0;
  const WindowsHandle token(has_token ? opened : nullptr);
  is_itself = ::RevertToSelf() != 0;
  if (!has_token || !is_itself) return std::nullopt;
  return judge(token.get());
}

// Empty where the system does not say.
std::string owner_of(const WindowsHandle& pipe) {
  PSID owner = nullptr;
  void* descriptor = nullptr;
  if (::GetSecurityInfo(pipe.get(), SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner, nullptr,
                        nullptr, nullptr, &descriptor) != ERROR_SUCCESS) {
    return {};
  }
  std::string sid = owner != nullptr ? sid_text(owner) : std::string();
  ::LocalFree(descriptor);
  return sid;
}

class Listening final : public LocalSocket {
 public:
  Listening(std::string path, LocalHandler handler, WindowsHandle pipe, WindowsHandle wake)
      : path_(std::move(path)),
        handler_(std::move(handler)),
        pipe_(std::move(pipe)),
        wake_(std::move(wake)),
        thread_([this] { run(); }) {}

  ~Listening() override {
    ::SetEvent(wake_.get());
    thread_.join();
    remove_file(path_);
  }

  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  void run() {
    constexpr auto for_ever = std::chrono::hours(24);
    for (;;) {
      {
        Transfer transfer(pipe_);
        const BOOL begun = ::ConnectNamedPipe(pipe_.get(), transfer.get());
        const auto connected = transfer.finish(begun, wake_, system_clock().mono() + for_ever);
        if (connected && !serve()) return;
      }
      if (::WaitForSingleObject(wake_.get(), 0) == WAIT_OBJECT_0) return;
      ::DisconnectNamedPipe(pipe_.get());
    }
  }

  // False: this thread must do nothing any more.
  bool serve() {
    const MonoTime until = system_clock().mono() + local_patience;
    const auto request = read_line(pipe_, longest_request, wake_, until);
    if (!request) return true;
    bool is_itself = true;
    const std::optional<Peer> peer = peer_of(pipe_, is_itself);
    if (!is_itself) {
      // "Your application continues to run in the context of the client, which is not appropriate"
      // (RevertToSelf). With the thread ends what it acts as.
      log(LogLevel::error, "the local pipe is closed until the agent is started again");
      return false;
    }
    std::string answer;
    const Wiped wiped(answer);  // it may hold a new token
    if (peer && peer->is_trusted) {
      answer = handler_(peer->user, *request);
    } else {
      log(LogLevel::warning, "refused a user on the local pipe",
          {{"user", peer ? peer->user : "unknown"}});
      answer = R"({"ok":false,"error":{"code":"forbidden","detail":"only administrators and )"
               R"(the agent's own user may do that"}})";
    }
    // The answer has its own time: a reload or a look through the audit trail may take some.
    const MonoTime end = system_clock().mono() + local_patience;
    if (!write_line(pipe_, answer, wake_, end)) return true;
    // What is not read yet would be lost with the connection: the other end closes it first.
    (void)read_line(pipe_, 0, wake_, end);
    return true;
  }

  const std::string path_;
  const LocalHandler handler_;
  const WindowsHandle pipe_;
  const WindowsHandle wake_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<LocalSocket>> open_local_socket(const std::string& path,
                                                       LocalHandler handler) {
  const std::string name = std::string(prefix) + to_hex(random_bytes(16));
  const PrivateSecurity security;
  WindowsHandle wake = make_event();
  if (security.descriptor() == nullptr || !wake) {
    return system_error("cannot make the local pipe", static_cast<int>(::GetLastError()));
  }
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = security.descriptor(),
                                 .bInheritHandle = FALSE};
  WindowsHandle pipe(::CreateNamedPipeW(
      to_wide(name).c_str(),
      PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
      PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, buffer_size,
      buffer_size, 0, &attributes));
  if (!pipe) {
    return system_error("cannot make the local pipe", static_cast<int>(::GetLastError()));
  }
  if (auto written = replace_file(path, name + "\n", 0600); !written) {
    return std::unexpected(written.error());
  }
  return std::make_unique<Listening>(path, std::move(handler), std::move(pipe), std::move(wake));
}

Result<std::string> ask_local(const std::string& path, std::string_view request) {
  const auto nobody = [&path] { return fail(ErrorKind::not_found, "no agent listens on " + path); };
  const auto forbidden = [&path] {
    return fail(ErrorKind::forbidden, "this user may not speak to the agent on " + path +
                                          "; become an administrator or the agent's user");
  };
  constexpr std::size_t longest_name = 200;
  const auto content = read_small_file(path, longest_name);
  if (!content && content.error().kind == ErrorKind::access_denied) return forbidden();
  if (!content) return nobody();
  const std::string name = content->substr(0, content->find('\n'));
  if (!name.starts_with(prefix)) return nobody();

  constexpr auto grace = std::chrono::seconds(1);  // the agent says so itself when it is late
  const MonoTime until = system_clock().mono() + 2 * local_patience + grace;
  WindowsHandle pipe;
  for (;;) {
    // The agent learns who speaks, and cannot act in his name.
    pipe = WindowsHandle(::CreateFileW(
        to_wide(name).c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
        FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, nullptr));
    if (pipe) break;
    const DWORD problem = ::GetLastError();
    if (problem == ERROR_FILE_NOT_FOUND) return nobody();
    if (problem == ERROR_ACCESS_DENIED) return forbidden();
    if (problem != ERROR_PIPE_BUSY) {
      return system_error("cannot reach the agent on " + path, static_cast<int>(problem));
    }
    if (system_clock().mono() >= until) {
      return fail(ErrorKind::timeout, "the agent on " + path + " is busy with others; try again");
    }
    ::WaitNamedPipeW(to_wide(name).c_str(), milliseconds_to(until));
  }
  if (const std::string owner = owner_of(pipe); !is_trusted_sid(owner)) {
    return fail(ErrorKind::forbidden,
                "the pipe that " + path + " names belongs to " +
                    (owner.empty() ? "nobody who is known" : account_name(owner)) +
                    ", not to an agent; start the agent, or remove that file");
  }
  const WindowsHandle nothing;
  const bool sent = write_line(pipe, request, nothing, until);
  auto answer = read_line(pipe, longest_answer, nothing, until);
  if (answer) return std::move(*answer);
  return fail(ErrorKind::timeout, "the agent on " + path +
                                      (sent ? " gave no answer" : " did not take the request") +
                                      "; look into its log");
}

}  // namespace noforce::agent
