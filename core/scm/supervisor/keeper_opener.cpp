#include "core/scm/supervisor/keeper_opener.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "core/fd.hpp"
#include "core/scm/supervisor/keeper_door.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/packet.hpp"
#include "core/scm/supervisor/process.hpp"
#include "core/scm/supervisor/protocol.hpp"

namespace noforce::supervisor {
namespace {

constexpr Milliseconds kPause{20};
constexpr int kNothingCancels = -1;

using Failure = std::unexpected<std::string>;

// A conversation that waits, up to a moment.
class Talk {
 public:
  Talk(Fd socket, MonoTime until) : socket_(std::move(socket)), until_(until) {}

  // False when the keeper is gone or takes nothing.
  [[nodiscard]] bool say(const Message& message) {
    const Packet packet{.bytes = encode(message), .descriptor = {}};
    int failed = send_packet(socket_.get(), packet);
    while (failed == EAGAIN && wait(POLLOUT))
      failed = send_packet(socket_.get(), packet);
    return failed == 0 || failed == EMSGSIZE;  // what can never be sent must not hold up the rest
  }

  // The next message that can be read; nothing when the keeper is gone, or late.
  [[nodiscard]] std::optional<Message> hear() {
    for (;;) {
      const auto packet = receive_packet(socket_.get());
      if (packet) {
        if (auto message = decode(packet->bytes)) return std::move(*message);
      } else if (packet.error() != EAGAIN || !wait(POLLIN)) {
        return std::nullopt;
      }
    }
  }

 private:
  [[nodiscard]] bool wait(short events) const {
    const auto left =
        std::chrono::ceil<Milliseconds>(until_ - std::chrono::steady_clock::now()).count();
    pollfd waits{.fd = socket_.get(), .events = events, .revents = 0};
    return left > 0 && (::poll(&waits, 1, static_cast<int>(left)) > 0 || errno == EINTR);
  }

  Fd socket_;
  MonoTime until_;
};

class Providing {
 public:
  Providing(const KeeperForFace& wanted, const std::vector<ServiceSpec>& specs, MonoTime until)
      : wanted_(wanted), specs_(specs), until_(until) {
    args_ = wanted.args;
    args_.insert(args_.end(),
                 {"--state-dir", wanted.folder, "--face", std::to_string(wanted.face)});
  }

  std::expected<void, std::string> run() {
    std::string why = "it took too long";
    while (std::chrono::steady_clock::now() < until_) {
      auto socket = connect_or_start();
      if (!socket) return Failure(socket.error());
      if (*socket) {
        if (user_of_peer(socket->get()) != ::geteuid()) {
          return Failure("what listens on " + wanted_.folder + "/keeper.sock is not root's");
        }
        auto told = tell(Talk(std::move(*socket), until_));
        if (told || final_) return told;
        why = told.error();
      }
      std::this_thread::sleep_for(kPause);
    }
    return Failure("the keeper was not told what to run: " + why);
  }

 private:
  // Empty: once more, in a moment.
  std::expected<Fd, std::string> connect_or_start() {
    auto socket = connect_keeper(wanted_.folder);
    if (socket) return std::move(*socket);
    if (socket.error() != ENOENT && socket.error() != ECONNREFUSED) {
      return Failure("cannot reach the keeper: " + errno_sentence(socket.error()));
    }
    const auto patience =
        std::chrono::ceil<Milliseconds>(until_ - std::chrono::steady_clock::now());
    const auto started =
        start_keeper(wanted_.executable, args_, wanted_.folder, kNothingCancels, patience);
    // Another one is about to listen, or about to be gone.
    if (!started && !started.error().starts_with(kAnotherKeeper)) return Failure(started.error());
    return Fd();
  }

  std::expected<void, std::string> tell(Talk talk) {
    if (!talk.say(Hello{.pid = ::getpid()})) return Failure("it does not listen");
    const auto first = talk.hear();
    const auto* hello = first ? std::get_if<Hello>(&*first) : nullptr;
    if (hello == nullptr) return Failure("it says nothing");
    if (hello->face != wanted_.face || incompatible(*hello) ||
        runs_other_program(hello->pid, wanted_.executable)) {
      return replace(talk, *hello);
    }
    for (const auto& spec : specs_) {
      if (!talk.say(Define{.spec = spec})) return Failure("it ended");
    }
    if (!talk.say(DefinedAll{})) return Failure("it ended");
    while (const auto message = talk.hear()) {
      if (std::holds_alternative<StatusAll>(*message)) return {};
      if (const auto* no = std::get_if<Refused>(&*message)) return Failure(no->why);
    }
    return Failure("it ended");
  }

  // Always an error: whether it became this program is seen when it is connected to again.
  std::expected<void, std::string> replace(Talk& talk, const Hello& keeper) {
    const std::string pid = "the keeper that runs (process " + std::to_string(keeper.pid) + ") ";
    if (std::exchange(replaced_, true)) {
      final_ = true;
      return Failure(pid + "does not go on as this program; its services run on. See " +
                     wanted_.folder + "/logs/keeper.log");
    }
    std::vector<std::string> argv = args_;
    argv.insert(argv.begin(), program_path(wanted_.executable));
    if (!talk.say(Replace{.argv = std::move(argv)})) return Failure("it ended");
    while (const auto message = talk.hear()) {
      const auto* stays = std::get_if<StaysAsItIs>(&*message);
      if (stays == nullptr) continue;
      final_ = true;
      return Failure(pid + "goes on as it is: " + stays->why);
    }
    return Failure("it is about to go on as this program");
  }

  const KeeperForFace& wanted_;
  const std::vector<ServiceSpec>& specs_;
  const MonoTime until_;
  std::vector<std::string> args_;
  bool replaced_ = false;
  bool final_ = false;  // trying again would not help
};

}  // namespace

std::expected<void, std::string> provide_keeper(const KeeperForFace& wanted,
                                                const std::vector<ServiceSpec>& specs,
                                                Milliseconds patience) {
  return Providing(wanted, specs, std::chrono::steady_clock::now() + patience).run();
}

}  // namespace noforce::supervisor
