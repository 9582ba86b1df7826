// What the face reads and writes: a request and its response, free of any HTTP library.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::api {

struct Field {
  std::string name;
  std::string value;

  bool operator==(const Field&) const = default;
};

// Header fields, in order; names compare without case.
class Fields {
 public:
  Fields() = default;
  Fields(std::initializer_list<Field> fields) : fields_(fields) {}

  // The first one of that name; null when there is none.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  // CR, LF and NUL in a value become spaces, here and in set().
  void add(std::string name, std::string value);
  // Wipes the values of that name, and takes them out.
  void forget(std::string_view name);
  // Replaces all of that name.
  void set(std::string_view name, std::string value);

  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

// ASCII letters compare without case.
[[nodiscard]] bool same_word(std::string_view a, std::string_view b);

struct ClientCertificate;  // api/server/client_certificate.hpp

struct Request {
  std::string method = "GET";
  std::string path;                   // as sent, without the query
  std::vector<std::string> segments;  // of the path, percent-decoded
  std::vector<Field> query;           // percent-decoded, in order
  Fields headers;                     // values as sent
  std::string body;

  std::string peer;           // the other end's address, without port
  std::string local_address;  // the address that the connection came in on, without port
  // Came over the agent's own local socket; local_user is who the kernel says it is.
  bool is_local = false;
  std::string local_user;
  // What the client has shown in the handshake, whatever it is worth; null: nothing.
  std::shared_ptr<const ClientCertificate> certificate;
};

// Takes "/v1/jobs?wait=5" apart into path, segments and query. malformed: no path, a bad escape,
// an escaped control character, text that is not UTF-8, or too many parameters.
[[nodiscard]] Result<void> set_target(Request& request, std::string_view target);

// A body that comes in pieces for as long as the connection lives. One thread at a time, not always
// the same.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // Appends what there is to `out`, without waiting; false at the end (what was appended still goes
  // out). Asked when the server is told to look again, and when it is due.
  [[nodiscard]] virtual bool next(std::string& out) = 0;
  // By when it wants to be asked again although nothing came.
  [[nodiscard]] virtual MonoTime due() const = 0;
};

struct Response;

// An answer that is not there yet, for a request that waits. One thread at a time, not always the
// same.
class LaterAnswer {
 public:
  virtual ~LaterAnswer() = default;
  // The answer, or nullopt for as long as it is to be waited for. Asked when the server is told to
  // look again. `at_last`: due() has come or the server ends; there has to be an answer.
  [[nodiscard]] virtual std::optional<Response> look(bool at_last) = 0;
  [[nodiscard]] virtual MonoTime due() const = 0;
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: there is no body
  Fields headers;            // besides Content-Type, Content-Length and Connection
  std::string body;
  std::unique_ptr<BodyStream> stream;  // instead of `body`
  std::unique_ptr<LaterAnswer> later;  // instead of everything else
};

}  // namespace noforce::api
