// What the face reads and writes: a request and its response, free of any HTTP library.
#pragma once

#include <functional>
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

  // The other end is gone, or the server ends: a handler that waits should return. May be empty.
  std::function<bool()> interrupted;

  [[nodiscard]] bool is_interrupted() const { return interrupted && interrupted(); }
};

// Takes "/v1/jobs?wait=5" apart into path, segments and query. malformed: no path, a bad escape,
// an escaped control character, text that is not UTF-8, or too many parameters.
[[nodiscard]] Result<void> set_target(Request& request, std::string_view target);

// A body that comes in pieces for as long as the connection lives.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // Appends what there is to `out`, waiting up to `patience` for something to come; false at the
  // end (what was appended still goes out). One thread at a time.
  [[nodiscard]] virtual bool next(std::string& out, Milliseconds patience) = 0;
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: there is no body
  Fields headers;            // besides Content-Type, Content-Length and Connection
  std::string body;
  std::unique_ptr<BodyStream> stream;  // instead of `body`
};

}  // namespace noforce::api
