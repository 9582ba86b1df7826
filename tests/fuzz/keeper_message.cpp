// What the agent and its keeper say to each other. The first byte chooses: the rest as bytes from the
// socket, or as what a message is made from.
#include <string>

#include "core/scm/supervisor/protocol.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

using namespace supervisor;

std::vector<std::string> texts(Input& in, std::size_t most = 4) {
  std::vector<std::string> all(in.byte() % (most + 1));
  for (std::string& one : all)
    one = in.text();
  return all;
}

std::string text(Input& in) {
  return std::string(in.text());
}

Result<void> result(Input& in) {
  if (in.flag()) return {};
  Error error;
  error.kind = static_cast<ErrorKind>(in.byte() % (static_cast<int>(ErrorKind::internal) + 1));
  error.detail = in.text();
  error.service = in.text();
  if (in.flag()) error.native_code = static_cast<std::int64_t>(in.number());
  error.native_name = in.text();
  error.effect = static_cast<Effect>(in.byte() % 3);
  return std::unexpected(error);
}

ControlToken token(Input& in) {
  return {.job = std::string(in.text().substr(0, 64)),
          .step = static_cast<std::uint32_t>(in.number()),
          .attempt = static_cast<std::uint32_t>(in.number())};
}

Status status(Input& in) {
  Status m;
  m.name = in.text();
  m.display_name = in.text();
  m.state = static_cast<ServiceState>(in.byte() % 7);
  if (in.flag()) m.instance = {static_cast<std::int64_t>(in.number()), text(in)};
  m.accepts = {.stop = in.flag(), .pause_continue = in.flag(), .reload = in.flag()};
  m.checkpoint = in.number();
  m.wait_hint_ms = static_cast<std::int64_t>(in.number());
  m.status_text = in.text();
  if (in.flag()) m.exit.emplace();
  if (m.exit && in.flag()) m.exit->code = static_cast<std::int64_t>(in.number());
  m.since_ms = static_cast<std::int64_t>(in.number());
  m.warnings = texts(in);
  m.defined = in.flag();
  m.wants_tcp = in.flag();
  return m;
}

Message made_from(Input& in) {
  switch (in.byte() % 11) {
    case 0:
      return Hello{.version = static_cast<std::uint32_t>(in.number()),
                   .oldest = static_cast<std::uint32_t>(in.number()),
                   .pid = static_cast<std::int64_t>(in.number()),
                   .replaceable = in.flag()};
    case 1:
      return Refused{.why = text(in)};
    case 2:
      return Command{.op = static_cast<ControlOp>(in.byte() % 5),
                     .service = text(in),
                     .key = text(in),
                     .token = token(in),
                     .comment = text(in)};
    case 3:
      return TcpReady{.service = text(in), .key = text(in)};
    case 4:
      return Query{.service = text(in)};
    case 5:
      return status(in);
    case 6:
      return Answer{.token = token(in), .service = text(in), .result = result(in)};
    case 7:
      return EndAnswer{.refused = text(in)};
    case 8:
      return HeldSocket{.service = text(in), .address = text(in)};
    case 9:
      return Replace{.argv = texts(in)};
    default:
      return StaysAsItIs{.why = text(in)};
  }
}

// "" and "no such field" are the same on the wire for an instance without a key.
void check_made(Input& in) {
  const Message message = made_from(in);
  const auto heard = decode(encode(message));
  expect(heard.has_value(), "what one side says the other can read");
  expect(*heard == message, "what one side says the other understands");
}

void check_heard(std::string_view bytes) {
  const auto heard = decode(bytes);
  if (!heard) return expect(!heard.error().empty(), "what cannot be read is told why");
  if (std::holds_alternative<UnknownMessage>(*heard)) return;
  if (const auto* define = std::get_if<Define>(&*heard)) {
    // 9 is not caught, 19 not either and nothing goes on after it: neither is a way to ask.
    for (const int signal : {define->spec.stop_signal, define->spec.reload_signal})
      expect(signal != 9 && signal != 19 && signal >= 0 && signal <= 64,
             "no definition makes the keeper end a service by force", std::to_string(signal));
    expect(valid_name(define->spec.name), "a service's name can be a file's", define->spec.name);
  }
  if (const auto* command = std::get_if<Command>(&*heard); command != nullptr && !command->known)
    return;
  const auto again = decode(encode(*heard));
  expect(again.has_value() && *again == *heard, "what was heard can be passed on");
}

void fuzz_keeper_message(std::string_view input) {
  Input in(input);
  if (in.byte() == 'm') return check_made(in);
  check_heard(in.rest());
}

const Registration registered("keeper_message", fuzz_keeper_message);

}  // namespace
}  // namespace noforce::fuzz
