// What the agent and its keeper say to each other, over the AF_UNIX SOCK_SEQPACKET socket
// `keeper.sock`: one message a packet, at most kMaxMessage bytes.
//
//   agent -> keeper                          keeper -> agent
//   Hello                                    Hello, or Refused and the end
//   Define for each service, DefinedAll      Status for each service, StatusAll
//   Keep, whenever the set changed           -
//   Command                                  Answer, once; Status whenever something changed
//   TcpReady                                 -
//   Query                                    Status of one or of all (then StatusAll)
//   End                                      EndAnswer, and the keeper's end when it says so
//   HeldSocket for each, after Hello         HeldSocket for each, after Hello and when one is made
//   Replace, also without Hello              the end, and Hello from the new program; or StaysAsItIs
//
// The first byte says which message it is, tagged fields follow (fields.hpp). A message or a field
// that a side does not know is skipped, an operation that a keeper does not know is refused.
// kProtocolVersion grows when that would not do (a new state, another meaning): each side says the
// newest and the oldest that it speaks, and they talk when the ranges overlap.
//
// Where the face runs as a user of its own (KeeperOptions::face), there are two peers, told apart by
// the kernel's word on their user. Root's, the opener, says Define, DefinedAll (and hears StatusAll
// alone), Replace and End; the face's says Query for what it would else have defined, Command,
// TcpReady, HeldSocket and End, which is refused while a service is up. Any other message ends the
// connection with Refused, or is answered with StaysAsItIs.
//
// The agent can be upgraded above a keeper that goes on, and the keeper then becomes the agent's
// program: it is asked to Replace itself, and executes that program in its own process. Its services
// stay its children, so nothing of them is lost, not even an exit code. Hello, Refused, Replace and
// StaysAsItIs therefore mean the same in every version, for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/scm/port.hpp"
#include "core/scm/supervisor/spec.hpp"
#include "core/service.hpp"

namespace noforce::supervisor {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::uint32_t kOldestProtocol = 1;
inline constexpr std::size_t kMaxMessage = 64 * 1024;
inline constexpr std::size_t kMaxName = 80;

struct Hello {
  std::uint32_t version = kProtocolVersion;
  std::uint32_t oldest = kOldestProtocol;
  std::int64_t pid = 0;
  bool replaceable = false;  // a keeper that understands Replace
  // A keeper that takes definitions from root and controls from this user. Unset: all from its own.
  std::optional<std::uint32_t> face;

  bool operator==(const Hello&) const = default;
};

// The keeper is to go on as this program, in the same process.
struct Replace {
  std::vector<std::string> argv;  // argv[0] is an absolute path

  bool operator==(const Replace&) const = default;
};

// It could not, and goes on as it is.
struct StaysAsItIs {
  std::string why;

  bool operator==(const StaysAsItIs&) const = default;
};

struct Refused {
  std::string why;  // a sentence

  bool operator==(const Refused&) const = default;
};

struct Define {
  ServiceSpec spec;

  bool operator==(const Define&) const = default;
};

// Those defined on this connection since the last DefinedAll are all there are: others are taken
// out as soon as they are stopped.
struct DefinedAll {
  bool operator==(const DefinedAll&) const = default;
};

// What jobs that have begun may have to start again: taken out of the settings, these stay known,
// with the definition that they had, until a Keep no longer names them. Replaces the last one, also
// that of an agent before this.
struct Keep {
  std::vector<std::string> services;

  bool operator==(const Keep&) const = default;
};

struct Command {
  ControlOp op = ControlOp::stop;
  std::string service;
  std::string key;  // Instance::key; empty: none given
  ControlToken token;
  std::string comment;
  bool known = true;  // false: an operation of a newer program; `op` says nothing

  bool operator==(const Command&) const = default;
};

// The agent, which has a network, saw `ready_tcp` of this instance accept a connection.
struct TcpReady {
  std::string service;
  std::string key;

  bool operator==(const TcpReady&) const = default;
};

struct Query {
  std::string service;  // empty: all

  bool operator==(const Query&) const = default;
};

struct End {
  bool operator==(const End&) const = default;
};

// All that changes of one service.
struct Status {
  std::string name;
  std::string display_name;
  ServiceState state = ServiceState::stopped;
  std::optional<Instance> instance;
  Accepts accepts;
  std::uint64_t checkpoint = 0;
  std::int64_t wait_hint_ms = 0;
  std::int64_t last_progress_ns = 0;  // CLOCK_MONOTONIC
  std::string status_text;
  std::optional<Exit> exit;
  std::int64_t since_ms = 0;  // wall clock, since 1970
  std::vector<std::string> warnings;
  bool defined = true;     // false: taken out of the settings, listed until it stops
  bool wants_tcp = false;  // all but `ready_tcp` is fulfilled: the agent is to probe

  bool operator==(const Status&) const = default;
};

struct StatusAll {
  bool operator==(const StatusAll&) const = default;
};

struct Answer {
  ControlToken token;
  std::string service;
  Result<void> result;

  bool operator==(const Answer&) const = default;
};

struct EndAnswer {
  std::string refused;  // why it stays; empty: it ends

  bool operator==(const EndAnswer&) const = default;
};

// A service's notify socket, with its descriptor beside the message (SCM_RIGHTS). The agent does
// nothing with it but hold it, and hands it to the next keeper: so the name stays bound and what a
// service says while there is no keeper waits in the socket instead of being lost.
struct HeldSocket {
  std::string service;
  std::string address;

  bool operator==(const HeldSocket&) const = default;
};

// A message of a newer program; skipped.
struct UnknownMessage {
  bool operator==(const UnknownMessage&) const = default;
};

using Message =
    std::variant<UnknownMessage, Hello, Refused, Define, DefinedAll, Command, TcpReady, Query, End,
                 Status, StatusAll, Answer, EndAnswer, HeldSocket, Replace, StaysAsItIs, Keep>;

[[nodiscard]] std::string encode(const Message& message);
// A sentence when the bytes are no message. Any input is safe.
[[nodiscard]] std::expected<Message, std::string> decode(std::string_view bytes);

// A definition's fields, as they stand in Define and in the keeper's own file. Whoever wrote them, a
// signal that no process can catch is refused: a service is asked to stop, never made to.
[[nodiscard]] std::string encode_spec(const ServiceSpec& spec);
[[nodiscard]] std::expected<ServiceSpec, std::string> decode_spec(std::string_view bytes);

// Of all in a definition that counts only from the next start on: the program and what it runs with.
[[nodiscard]] std::uint64_t launch_digest(const ServiceSpec& spec);

// `[A-Za-z0-9._@-]{1,80}`: names of supervised services, which become file names.
[[nodiscard]] bool valid_name(std::string_view name);

// Whether a program that speaks this and the other can talk; else how they differ.
[[nodiscard]] std::optional<std::string> incompatible(const Hello& other);

// A token's and an answer's fields, shared with the records on disk.
[[nodiscard]] std::string encode_token(const ControlToken& token);
[[nodiscard]] ControlToken decode_token(std::string_view bytes);
[[nodiscard]] std::string encode_result(const Result<void>& result);
[[nodiscard]] Result<void> decode_result(std::string_view bytes);

}  // namespace noforce::supervisor
