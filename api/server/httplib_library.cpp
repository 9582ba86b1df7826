// Written for 0.41; the members that are used are the same up to 0.53.
#include "api/server/httplib_library.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <httplib.h>

#include "api/server/sockets.hpp"

namespace noforce::api {
namespace {

// The answer in hand; the library's callbacks find it by thread.
struct Answer {
  Response* response = nullptr;
  const AnswerForm* form = nullptr;
  bool bodiless = false;  // not even Content-Length
};

thread_local Answer* current_answer = nullptr;

// What the library reads from and writes to: a head that we wrote, and the connection's output.
class MemoryStream final : public httplib::Stream {
 public:
  MemoryStream(std::string_view head, Connection& connection)
      : head_(head), connection_(connection) {}

  bool is_readable() const override { return !head_.empty(); }
  bool wait_readable() const override { return true; }
  bool wait_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t count = std::min(size, head_.size());
    std::memcpy(to, head_.data(), count);
    head_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    connection_.send({from, size});
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = connection_.peer();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip = connection_.local();
    port = 0;
  }
  socket_t socket() const override { return static_cast<socket_t>(connection_.socket()); }
  time_t duration() const override { return 0; }

 private:
  std::string_view head_;
  Connection& connection_;
};

void set_listener_options(socket_t socket) {
  claim_port_alone(static_cast<int>(socket));
}

// The whole header of the answer, but for the line before it.
ssize_t write_fields(httplib::Stream& stream, httplib::Headers& fields) {
  std::string text;
  text.reserve(512);
  for (const auto& [name, value] : fields) {
    if (name == "Connection" || name == "Keep-Alive" || name == "Accept-Ranges") continue;
    if (current_answer->bodiless && name == "Content-Length") continue;
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (current_answer->form->chunked) text += "Transfer-Encoding: chunked\r\n";
  if (current_answer->form->close) text += "Connection: close\r\n";
  text += "\r\n";
  return stream.write(text.data(), text.size());
}

// Called by the library in the middle of process_request().
void hand_over(httplib::Response& response) {
  Response& ours = *current_answer->response;
  response.status = ours.status;
  for (const Field& field : ours.headers)
    response.headers.emplace(field.name, field.value);
  const bool has_no_content = ours.status == 204 || ours.status == 304;
  const bool is_stream = current_answer->bodiless;
  current_answer->bodiless = has_no_content || is_stream;
  if (has_no_content) return;
  if (!is_stream) response.body = std::move(ours.body);
  if (!ours.content_type.empty())
    response.headers.emplace("Content-Type", std::move(ours.content_type));
}

}  // namespace

class HttpLibrary::Impl final : public httplib::Server {
 public:
  Impl() {
    set_socket_options(set_listener_options);
    set_header_writer(write_fields);
    set_pre_routing_handler([](const httplib::Request&, httplib::Response& response) {
      hand_over(response);
      return HandlerResponse::Handled;
    });
  }

  Result<Listener> listen_on(const std::string& host, int port, int backlog) {
    forget_socket_error();
    Listener listener{.socket = Socket(), .port = port};
    if (port == 0) {
      listener.port = bind_to_any_port(host);
    } else if (!bind_to_port(host, port)) {
      listener.port = -1;
    }
    const int number = last_socket_error();
    listener.socket = Socket(static_cast<int>(svr_sock_.exchange(INVALID_SOCKET)));
    if (listener.port <= 0 || !listener.socket) {
      Error error{.kind = ErrorKind::internal,
                  .detail = number != 0 ? socket_error_text(number) : "no such address here"};
      if (number != 0) error.native_code = number;
      return std::unexpected(std::move(error));
    }
    begin_to_listen(listener.socket.get(), backlog);  // the library's own is 5
    return listener;
  }

  bool write_answer(Connection& connection, bool head_only) {
    // What the library needs to know to write the answer: whether to leave its body out.
    MemoryStream stream(
        head_only ? "HEAD / HTTP/1.1\r\nHost: -\r\n\r\n" : "GET / HTTP/1.1\r\nHost: -\r\n\r\n",
        connection);
    bool library_closes = false;
    return process_request(stream, connection.peer(), 0, connection.local(), 0, false,
                           library_closes, nullptr);
  }
};

HttpLibrary::HttpLibrary() : impl_(std::make_unique<Impl>()) {}
HttpLibrary::~HttpLibrary() = default;

Result<HttpLibrary::Listener> HttpLibrary::listen(const std::string& host, int port, int backlog) {
  return impl_->listen_on(host, port, backlog);
}

bool HttpLibrary::write(Connection& connection, Response& response, const AnswerForm& form) {
  Answer answer{
      .response = &response, .form = &form, .bodiless = form.chunked || response.stream != nullptr};
  current_answer = &answer;
  const bool written = impl_->write_answer(connection, form.head_only);
  current_answer = nullptr;
  return written;
}

}  // namespace noforce::api
