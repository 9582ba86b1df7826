// The server: a crew of threads that let conversations go on, and a place where those wait that
// have nothing to do at the moment.
#include "api/server/server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <thread>
#include <unordered_set>
#include <utility>

#include "api/problem.hpp"
#include "api/server/admission.hpp"
#include "api/server/connection.hpp"
#include "api/server/conversation.hpp"
#include "api/server/crew.hpp"
#include "api/server/httplib_library.hpp"
#include "api/server/parking.hpp"
#include "api/server/sockets.hpp"
#include "api/server/tls_context.hpp"
#include "core/descriptor_limit.hpp"
#include "core/log.hpp"
#include "core/thread_safety.hpp"

namespace noforce::api {
namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptedAtATime = 32;
// Threads beyond this leave when they had nothing to do for so long.
constexpr std::size_t kStaying = 2;
constexpr Milliseconds kPatience{10'000};
// Descriptors for everything else: journal, keeper, hooks, probes, log.
constexpr std::size_t kOtherDescriptors = 256;
constexpr Milliseconds kOutOfDescriptors{20};

struct ListenAddress {
  std::string host;
  int port = 0;
};

Result<ListenAddress> parse_listen_address(const std::string& text) {
  const auto colon = text.rfind(':');
  ListenAddress address;
  const char* const end = text.data() + text.size();
  if (colon == std::string::npos ||
      std::from_chars(text.data() + colon + 1, end, address.port).ptr != end ||
      colon + 1 == text.size() || address.port < 0 || address.port > 65535)
    return fail(ErrorKind::malformed, "\"" + text +
                                          "\" is no address to listen on; write it as "
                                          "\"127.0.0.1:8443\" or \"[::1]:8443\".");
  address.host = text.substr(0, colon);
  if (address.host.size() > 1 && address.host.front() == '[' && address.host.back() == ']')
    address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty() || address.host == "*") address.host = "0.0.0.0";
  return address;
}

// As many connections as there are descriptors for.
ServerLimits within_descriptors(ServerLimits limits) {
  const std::size_t all = descriptor_limit();
  const std::size_t room =
      all > kOtherDescriptors + limits.shed + 64 ? all - kOtherDescriptors - limits.shed : 64;
  limits.connections = std::min(limits.connections, room);
  return limits;
}

// All connections that live, so that the end can reach them.
class Live {
 public:
  void add(const Connection& connection) {
    const MutexLock lock(mutex_);
    live_.insert(&connection);
    if (cutting_) connection.cut();
  }
  void remove(const Connection& connection) {
    const MutexLock lock(mutex_);
    live_.erase(&connection);
    if (live_.empty()) none_.notify_all();
  }
  // False when some are left at that time.
  [[nodiscard]] bool wait_for_none(MonoTime until) {
    MutexLock lock(mutex_);
    while (!live_.empty()) {
      if (!none_.wait_until(lock, until)) return live_.empty();
    }
    return true;
  }
  void cut_all() {
    const MutexLock lock(mutex_);
    cutting_ = true;
    for (const Connection* connection : live_)
      connection->cut();
  }

 private:
  Mutex mutex_;
  Condition none_;
  std::unordered_set<const Connection*> live_ NOFORCE_GUARDED_BY(mutex_);
  bool cutting_ NOFORCE_GUARDED_BY(mutex_) = false;
};

class ParkingServer final : public Server, public Counter {
 public:
  ParkingServer(RequestHandler handler, ServerLimits limits)
      : handler_(std::move(handler)),
        limits_(within_descriptors(limits)),
        admission_(limits_),
        crew_(limits_.workers, [this] { work(); }) {}
  ~ParkingServer() override { stop(Milliseconds{0}); }
  ParkingServer(const ParkingServer&) = delete;
  ParkingServer& operator=(const ParkingServer&) = delete;

  Result<std::string> start(const std::string& listen, const TlsFiles& files) override {
    const auto address = parse_listen_address(listen);
    if (!address) return std::unexpected(address.error());
    if (auto usable = parking_.is_usable(); !usable) return std::unexpected(usable.error());
    const auto certificates = read_certificates(files);
    if (!certificates) return std::unexpected(certificates.error());
    (*certificates)();
    auto listener = library_.listen(address->host, address->port, kBacklog);
    if (!listener) {
      Error error = listener.error();
      error.detail = "Cannot listen on " + listen + ": " + error.detail + ".";
      return std::unexpected(std::move(error));
    }
    listener_ = std::move(listener->socket);
    if (!parking_.watch_listener(listener_.get()))
      return fail(ErrorKind::internal, "Cannot watch the port of " + listen + ".");
    serving_ = true;
    crew_.grow();
    const bool v6 = address->host.find(':') != std::string::npos;
    return (v6 ? "[" + address->host + "]" : address->host) + ":" + std::to_string(listener->port);
  }

  Result<TakeIntoUse> read_certificates(const TlsFiles& files) override {
    auto context = make_tls_context(files);
    if (!context) return std::unexpected(context.error());
    return [this, context = std::move(*context)] {
      const MutexLock lock(context_mutex_);
      context_ = context;
    };
  }

  void look_again() override { parking_.look_again(); }

  void stop(Milliseconds deadline) override {
    if (!serving_) return;
    serving_ = false;
    ending_ = true;
    end_listening(listener_.get());
    parking_.disturb_all();
    if (!live_.wait_for_none(system_clock().mono() + deadline)) {
      live_.cut_all();
      parking_.disturb_all();
      // What is still there is in a handler; each of those ends.
      (void)live_.wait_for_none(MonoTime::max());
    }
    parking_.close();
    crew_.join();
    listener_.reset();
  }

 private:
  // The crew ---------------------------------------------------------------------------------------

  void work() {
    for (;;) {
      const bool may_leave = parking_.waiting() >= kStaying;
      Parking::Taken taken = parking_.take(may_leave ? std::optional(kPatience) : std::nullopt);
      if (taken.is_closed) return;
      if (!taken.conversation && !taken.is_listener) {
        if (may_leave && parking_.waiting() > 0 && crew_.may_leave()) return;
        continue;
      }
      // Somebody has to hear what comes meanwhile.
      if (parking_.waiting() == 0) crew_.grow();
      if (taken.is_listener) {
        accept_some();
      } else {
        go_on(std::move(taken.conversation));
      }
    }
  }

  // Nothing may leave it as an exception.
  void go_on(std::unique_ptr<Conversation> conversation) {
    try {
      if (conversation->go_on() && parking_.park(std::move(conversation))) return;
    } catch (const std::exception& error) {
      // Out of memory, at most: this connection ends, the others go on.
      log_warning("api", std::string("A connection ended by a failure inside: ") + error.what());
    }
    end(std::move(conversation));
  }

  void end(std::unique_ptr<Conversation> conversation) {
    if (!conversation) return;
    live_.remove(conversation->connection());
    conversation.reset();
  }

  // Who wants to connect ---------------------------------------------------------------------------

  void accept_some() {
    for (int i = 0; i < kAcceptedAtATime && !ending_; ++i) {
      Accepted accepted = accept_one(listener_.get());
      if (accepted.what == Accepted::What::nobody) break;
      if (accepted.what == Accepted::What::no_room) make_room();
      if (accepted.what == Accepted::What::somebody) admit(std::move(accepted.socket));
    }
    if (!ending_) (void)parking_.watch_listener(listener_.get());
  }

  // The system has nothing left for one more.
  void make_room() {
    if (auto conversation = parking_.give_way("")) return end(std::move(conversation));
    std::this_thread::sleep_for(kOutOfDescriptors);
  }

  void admit(Socket socket) {
    std::shared_ptr<SSL_CTX> context;
    {
      const MutexLock lock(context_mutex_);
      context = context_;
    }
    try {
      auto connection = std::make_unique<Connection>(std::move(socket), std::move(context));
      const std::string group = Admission::group_of(connection->peer());
      Admission::Taken taken = admission_.take(group, !has_room_for(group));
      if (!taken.is_there) return;  // there is no room even to say so
      auto conversation = std::make_unique<Conversation>(std::move(connection),
                                                         std::move(taken.place), *this, limits_);
      live_.add(conversation->connection());
      go_on(std::move(conversation));
    } catch (const std::exception& error) {
      log_warning("api", std::string("A connection was not taken: ") + error.what());
    }
  }

  // Lets one that has nothing in hand give way where that is needed.
  bool has_room_for(const std::string& group) {
    switch (admission_.room_for(group)) {
      case Admission::Room::free:
        return true;
      case Admission::Room::none_for_address: {
        auto conversation = parking_.give_way(group);
        const bool gave_way = conversation != nullptr;
        end(std::move(conversation));
        return gave_way;
      }
      case Admission::Room::none: {
        auto conversation = parking_.give_way(admission_.largest());
        if (!conversation) conversation = parking_.give_way("");
        const bool gave_way = conversation != nullptr;
        end(std::move(conversation));
        return gave_way;
      }
    }
    return false;
  }

  // For the conversations --------------------------------------------------------------------------

  Response answer(const Head& head, std::string_view body, const Connection& connection) override {
    Request request;
    request.method = head.method;
    request.peer = connection.peer();
    request.local_address = connection.local();
    request.certificate = connection.certificate();
    for (const auto& [name, value] : head.fields)
      request.headers.add(std::string(name), std::string(value));
    request.body = body;
    const auto taken = set_target(request, head.target);
    Response response = taken ? handler_(request) : to_response(to_problem(taken.error()));
    request.headers.forget("Authorization");
    return response;
  }

  bool write(Connection& connection, Response& response, const AnswerForm& form) override {
    return library_.write(connection, response, form);
  }

  bool is_ending() const override { return ending_; }

  const RequestHandler handler_;
  const ServerLimits limits_;
  HttpLibrary library_;
  Admission admission_;
  Live live_;
  Parking parking_;
  Socket listener_;
  bool serving_ = false;
  std::atomic<bool> ending_{false};
  Mutex context_mutex_;
  std::shared_ptr<SSL_CTX> context_ NOFORCE_GUARDED_BY(context_mutex_);
  Crew crew_;  // the last one: its threads use everything else
};

}  // namespace

std::unique_ptr<Server> make_server(RequestHandler handler, ServerLimits limits) {
  return std::make_unique<ParkingServer>(std::move(handler), limits);
}

}  // namespace noforce::api
