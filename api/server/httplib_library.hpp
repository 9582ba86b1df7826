// What cpp-httplib does for the server: binds its listener and puts answers into HTTP. It reads
// nothing that comes from outside: decision 0004.
#pragma once

#include <memory>
#include <string>

#include "api/server/connection.hpp"
#include "api/server/conversation.hpp"
#include "api/server/message.hpp"
#include "core/error.hpp"
#include "core/socket.hpp"

namespace noforce::api {

class HttpLibrary {
 public:
  HttpLibrary();
  ~HttpLibrary();
  HttpLibrary(const HttpLibrary&) = delete;
  HttpLibrary& operator=(const HttpLibrary&) = delete;

  struct Listener {
    Socket socket;  // does not wait
    int port = 0;
  };
  // Port 0 takes a free one. internal, with the system's number where there is one.
  [[nodiscard]] Result<Listener> listen(const std::string& host, int port, int backlog);
  // Appends the answer's head, and the body where it has one, to the connection's output; of a
  // stream just the head. Any thread.
  [[nodiscard]] bool write(Connection& connection, Response& response, const AnswerForm& form);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace noforce::api
