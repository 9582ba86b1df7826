// The server on cpp-httplib: its listener, accept loop and response writer, with everything that
// the other end can touch (TLS, deadlines, the request's head and body) taken over at the virtual
// that it offers. The library is told only that there is a request: no byte from outside reaches
// its parsers, so its published advisories about headers and bodies have nothing to bite on.
//
// Written for 0.41; the members that are used are the same up to 0.53.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <unordered_set>

#include <httplib.h>

#include "api/problem.hpp"
#include "api/server/connection.hpp"
#include "api/server/head.hpp"
#include "api/server/server.hpp"
#include "api/server/tls_context.hpp"
#include "api/server/worker_pool.hpp"
#include "core/log.hpp"

namespace noforce::api {
namespace {

constexpr Milliseconds kStreamTurn{900};  // how long a stream may wait before it looks around
constexpr int kBacklog = 1024;
// What one client may ask on one connection before it has to make a new one.
constexpr std::size_t kMostRequests = 1'000'000;

MonoTime now() {
  return std::chrono::steady_clock::now();
}

// What belongs to the request in hand; the library's callbacks find it by thread.
struct Exchange {
  const Head* head = nullptr;
  std::string_view body;
  Connection* connection = nullptr;
  bool close = false;  // after this answer
  bool bodiless = false;
};

thread_local Exchange* current_exchange = nullptr;
thread_local bool shedding = false;

// What the library reads from and writes to: a head in memory, and the connection.
class MemoryStream final : public httplib::Stream {
 public:
  MemoryStream(std::string_view head, Connection& connection, Milliseconds write_timeout)
      : head_(head), connection_(connection), write_timeout_(write_timeout) {}

  bool is_readable() const override { return !head_.empty(); }
  bool wait_readable() const override { return true; }
  bool wait_writable() const override { return !connection_.is_gone(); }
  ssize_t read(char* to, size_t size) override {
    const size_t count = std::min(size, head_.size());
    std::memcpy(to, head_.data(), count);
    head_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    return connection_.write({from, size}, write_timeout_) ? static_cast<ssize_t>(size) : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = connection_.peer();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip = connection_.local();
    port = 0;
  }
  socket_t socket() const override { return connection_.socket(); }
  time_t duration() const override { return 0; }

 private:
  std::string_view head_;
  Connection& connection_;
  const Milliseconds write_timeout_;
};

// All connections that live, so that the oldest idle one can give way and the end can reach all.
class Connections {
 public:
  // A connection is listed for as long as this lives.
  class Listing {
   public:
    Listing(Connections& connections, const Connection& connection)
        : connections_(connections), connection_(connection) {
      connections_.add(connection_);
    }
    ~Listing() { connections_.remove(connection_); }
    Listing(const Listing&) = delete;
    Listing& operator=(const Listing&) = delete;

   private:
    Connections& connections_;
    const Connection& connection_;
  };

  void add(const Connection& connection) {
    const std::lock_guard lock(mutex_);
    live_.insert(&connection);
    if (cutting_) connection.cut();
  }
  void remove(const Connection& connection) {
    const std::lock_guard lock(mutex_);
    live_.erase(&connection);
    cut_.erase(&connection);
  }
  // False: none is idle.
  bool cut_oldest_idle() {
    const std::lock_guard lock(mutex_);
    const Connection* oldest = nullptr;
    for (const Connection* connection : live_) {
      if (!connection->idle() || cut_.contains(connection)) continue;
      if (oldest == nullptr || connection->idle_since() < oldest->idle_since()) oldest = connection;
    }
    if (oldest == nullptr) return false;
    oldest->cut();
    cut_.insert(oldest);
    return true;
  }
  void cut_idle() {
    const std::lock_guard lock(mutex_);
    for (const Connection* connection : live_) {
      if (connection->idle()) connection->cut();
    }
  }
  void cut_all() {
    const std::lock_guard lock(mutex_);
    cutting_ = true;
    for (const Connection* connection : live_)
      connection->cut();
  }

 private:
  std::mutex mutex_;
  std::unordered_set<const Connection*> live_;  // guarded by mutex_
  std::unordered_set<const Connection*> cut_;   // of these; guarded by mutex_
  bool cutting_ = false;                        // guarded by mutex_
};

class PoolQueue final : public httplib::TaskQueue {
 public:
  explicit PoolQueue(std::unique_ptr<WorkerPool> pool) : pool_(std::move(pool)) {}
  bool enqueue(std::function<void()> task) override {
    return pool_->enqueue([run = std::move(task)](bool shed) {
      shedding = shed;
      run();
      shedding = false;
    });
  }
  void shutdown() override { pool_->shutdown(); }

 private:
  std::unique_ptr<WorkerPool> pool_;
};

// A stream as the library wants it. All turns happen in one call: between two calls the library
// would leave at the server's end without the last chunk, and the client could not tell that from
// a broken connection.
class StreamTurns {
 public:
  StreamTurns(std::unique_ptr<BodyStream> stream, const std::atomic<bool>& stopping)
      : stream_(std::move(stream)), stopping_(&stopping) {}

  bool operator()(size_t, httplib::DataSink& sink) {
    std::string piece;
    for (bool more = true; more;) {
      piece.clear();
      more = !*stopping_ && stream_->next(piece, kStreamTurn);
      if (!piece.empty() && !sink.write(piece.data(), piece.size())) return false;
      if (!sink.is_writable()) return false;
    }
    sink.done();
    return true;
  }

 private:
  std::shared_ptr<BodyStream> stream_;
  const std::atomic<bool>* stopping_;
};

// SO_REUSEADDR alone: with SO_REUSEPORT two agents could share a port without noticing.
void set_listener_options(socket_t socket) {
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

// The whole header of the answer, but for the line before it.
ssize_t write_fields(httplib::Stream& stream, httplib::Headers& fields) {
  const Exchange* exchange = current_exchange;
  std::string text;
  text.reserve(512);
  for (const auto& [name, value] : fields) {
    if (name == "Connection" || name == "Keep-Alive" || name == "Accept-Ranges") continue;
    if (exchange != nullptr && exchange->bodiless && name == "Content-Length") continue;
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (exchange != nullptr && exchange->close) text += "Connection: close\r\n";
  text += "\r\n";
  return stream.write(text.data(), text.size());
}

std::string one_shot_answer(const Response& answer) {
  std::string text =
      "HTTP/1.1 " + std::to_string(answer.status) + " " + httplib::status_message(answer.status) +
      "\r\nContent-Type: " + answer.content_type +
      "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\nConnection: close\r\n";
  for (const Field& field : answer.headers)
    text.append(field.name).append(": ").append(field.value).append("\r\n");
  return text.append("\r\n").append(answer.body);
}

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

class HttplibServer final : public Server, private httplib::Server {
 public:
  HttplibServer(RequestHandler handler, ServerLimits limits)
      : handler_(std::move(handler)), limits_(limits) {
    new_task_queue = [this] { return make_queue(); };
    set_socket_options(set_listener_options);
    set_tcp_nodelay(true);
    set_header_writer(write_fields);
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      answer(response);
      return HandlerResponse::Handled;
    });
    set_payload_max_length(limits_.body_bytes);
  }
  ~HttplibServer() override { stop_within(Milliseconds{0}); }

  Result<std::string> start(const std::string& listen, const TlsFiles& files) override {
    auto address = parse_listen_address(listen);
    if (!address) return std::unexpected(address.error());
    if (auto loaded = reload_certificates(files); !loaded) return std::unexpected(loaded.error());
    errno = 0;
    if (address->port == 0) {
      const int port = bind_to_any_port(address->host);
      if (port <= 0) return cannot_listen(listen);
      address->port = port;
    } else if (!bind_to_port(address->host, address->port)) {
      return cannot_listen(listen);
    }
    ::listen(svr_sock_, kBacklog);  // the library's own is 5
    acceptor_ = std::thread([this] { listen_after_bind(); });
    wait_until_ready();
    const bool v6 = address->host.find(':') != std::string::npos;
    return (v6 ? "[" + address->host + "]" : address->host) + ":" + std::to_string(address->port);
  }

  Result<void> reload_certificates(const TlsFiles& files) override {
    auto context = make_tls_context(files);
    if (!context) return std::unexpected(context.error());
    const std::lock_guard lock(context_mutex_);
    context_ = std::move(*context);
    return {};
  }

  void stop(Milliseconds deadline) override { stop_within(deadline); }

 private:
  static std::unexpected<Error> cannot_listen(const std::string& listen) {
    const int number = errno;
    Error error{.kind = ErrorKind::internal,
                .detail = "Cannot listen on " + listen + ": " +
                          (number != 0 ? std::strerror(number) : "no such address here") + "."};
    if (number != 0) error.native_code = number;
    return std::unexpected(std::move(error));
  }

  httplib::TaskQueue* make_queue() {
    const WorkerPool::Size size{.workers = limits_.workers,
                                .shedders = limits_.shedders,
                                .waiting_to_be_shed = limits_.waiting_to_be_shed};
    return new PoolQueue(
        std::make_unique<WorkerPool>(size, [this] { return connections_.cut_oldest_idle(); }));
  }

  void stop_within(Milliseconds deadline) {
    if (!acceptor_.joinable()) return;
    stopping_ = true;
    httplib::Server::stop();
    connections_.cut_idle();
    std::mutex mutex;
    std::condition_variable ended;
    bool done = false;
    // Joining has no deadline; what is left of the connections is cut off by this thread.
    std::thread cutter([&] {
      std::unique_lock lock(mutex);
      if (!ended.wait_for(lock, deadline, [&] { return done; })) connections_.cut_all();
    });
    acceptor_.join();
    {
      const std::lock_guard lock(mutex);
      done = true;
    }
    ended.notify_one();
    cutter.join();
  }

  // The library's virtual: all of a connection's life. Nothing may leave it as an exception.
  bool process_and_close_socket(socket_t socket) override {
    std::shared_ptr<SSL_CTX> context;
    {
      const std::lock_guard lock(context_mutex_);
      context = context_;
    }
    try {
      Connection connection(socket, std::move(context));
      const Connections::Listing listed(connections_, connection);
      serve(connection);
    } catch (const std::exception& error) {
      // Out of memory, at most: this connection ends, the others go on.
      log_warning("api", std::string("A connection ended by a failure inside: ") + error.what());
    }
    return true;
  }

  void serve(Connection& connection) {
    if (!connection.handshake(shedding ? Milliseconds{2'000} : limits_.handshake)) {
      connection.close(false);
      return;
    }
    bool linger = false;
    for (std::size_t count = 0; count < kMostRequests; ++count) {
      if (!connection.await_request(shedding ? Milliseconds{1'000} : limits_.idle, stopping_))
        break;
      const Turn turn = serve_request(connection);
      linger = turn == Turn::refused;
      if (turn != Turn::next) break;
    }
    connection.close(linger);
  }

  enum class Turn { next, close, refused };

  Turn refuse(Connection& connection, const Problem& problem) {
    return connection.write(one_shot_answer(to_response(problem)), limits_.write) ? Turn::refused
                                                                                  : Turn::close;
  }

  Turn serve_request(Connection& connection) {
    std::size_t head_size = 0;
    switch (connection.read_head(limits_.head_bytes, now() + limits_.head, head_size)) {
      case Connection::Read::done:
        break;
      case Connection::Read::closed:
        return Turn::close;
      case Connection::Read::late:
        return refuse_late(connection);
      case Connection::Read::too_large:
        return refuse(connection,
                      face_problem(431, "The request line and the header fields may have " +
                                            std::to_string(limits_.head_bytes) + " bytes in all."));
    }
    if (shedding)
      return refuse(connection,
                    to_problem(Error{.kind = ErrorKind::shutting_down,
                                     .detail = "All connections of the agent are in use; try "
                                               "again in a moment.",
                                     .retry_after_s = 1}));
    // Reading the body may move the buffer, so the views into the head are made after it; the
    // first look only says how much there is to read.
    auto head = parse_head(connection.input().substr(0, head_size), limits_);
    if (!head) return refuse(connection, head.error());
    const std::size_t size = head_size + head->content_length;
    if (connection.input().size() < size) {
      switch (connection.read_until(size, now() + limits_.body)) {
        case Connection::Read::done:
          break;
        case Connection::Read::late:
          return refuse_late(connection);
        default:
          return Turn::close;
      }
      head = parse_head(connection.input().substr(0, head_size), limits_);
      if (!head) return refuse(connection, head.error());
    }

    Exchange exchange{.head = &*head,
                      .body = connection.input().substr(head_size, head->content_length),
                      .connection = &connection,
                      .close = !head->keep_alive || stopping_};
    // What the library needs to know to write the answer: whether to leave its body out.
    MemoryStream stream(head->method == "HEAD" ? "HEAD / HTTP/1.1\r\nHost: -\r\n\r\n"
                                               : "GET / HTTP/1.1\r\nHost: -\r\n\r\n",
                        connection, limits_.write);
    current_exchange = &exchange;
    bool library_closes = false;
    const bool written = process_request(stream, connection.peer(), 0, connection.local(), 0, false,
                                         library_closes, nullptr);
    current_exchange = nullptr;
    connection.consume(size);
    return written && !exchange.close ? Turn::next : Turn::close;
  }

  Turn refuse_late(Connection& connection) {
    return refuse(connection, face_problem(400, "The request did not come in time."));
  }

  // Called by the library in the middle of process_request().
  void answer(httplib::Response& response) {
    Exchange& exchange = *current_exchange;
    Response ours = handle(exchange);
    exchange.bodiless = ours.status == 204 || ours.status == 304;
    response.status = ours.status;
    for (const Field& field : ours.headers)
      response.headers.emplace(field.name, field.value);
    if (ours.stream) {
      exchange.close = true;  // a stream ends with its connection
      response.set_chunked_content_provider(ours.content_type,
                                            StreamTurns(std::move(ours.stream), stopping_));
    } else if (!exchange.bodiless) {
      response.body = std::move(ours.body);
      if (!ours.content_type.empty())
        response.headers.emplace("Content-Type", std::move(ours.content_type));
    }
  }

  Response handle(const Exchange& exchange) {
    const Head& head = *exchange.head;
    const Connection* const connection = exchange.connection;
    Request request;
    request.method = head.method;
    request.peer = connection->peer();
    request.local_address = connection->local();
    request.certificate = connection->certificate();
    for (const auto& [name, value] : head.fields)
      request.headers.add(std::string(name), std::string(value));
    request.body = exchange.body;
    request.interrupted = [this, connection] { return stopping_ || connection->is_gone(); };
    if (auto taken = set_target(request, head.target); !taken)
      return to_response(to_problem(taken.error()));
    return handler_(request);
  }

  const RequestHandler handler_;
  const ServerLimits limits_;
  Connections connections_;
  std::thread acceptor_;
  std::atomic<bool> stopping_{false};
  std::mutex context_mutex_;
  std::shared_ptr<SSL_CTX> context_;  // guarded by context_mutex_
};

}  // namespace

std::unique_ptr<Server> make_server(RequestHandler handler, ServerLimits limits) {
  return std::make_unique<HttplibServer>(std::move(handler), limits);
}

}  // namespace noforce::api
