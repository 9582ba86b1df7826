#include "core/scm/supervisor/protocol.hpp"

#include <signal.h>

#include <algorithm>
#include <array>

#include "core/scm/supervisor/fields.hpp"

namespace noforce::supervisor {
namespace {

// The message's first byte. Never reused for something else.
enum class Type : std::uint8_t {
  hello = 1,
  refused = 2,
  define = 3,
  defined_all = 4,
  command = 5,
  tcp_ready = 6,
  query = 7,
  end = 8,
  status = 9,
  status_all = 10,
  answer = 11,
  end_answer = 12,
  held_socket = 13,
  replace = 14,
  stays_as_it_is = 15,
  keep = 16,
};

// A closed enum's value, or the first one when the number is none of them.
template <typename Enum>
Enum enum_from(const Field& field, Enum last) {
  const std::uint64_t value = field.number();
  return value <= static_cast<std::uint64_t>(last) ? static_cast<Enum>(value) : Enum{};
}

template <typename Enum>
std::uint64_t number_of(Enum value) {
  return static_cast<std::uint64_t>(value);
}

std::uint64_t bits(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

FieldWriter fields_of(const UnknownMessage&) {
  return {};
}
FieldWriter fields_of(const DefinedAll&) {
  return {};
}
FieldWriter fields_of(const End&) {
  return {};
}
FieldWriter fields_of(const StatusAll&) {
  return {};
}

FieldWriter fields_of(const Hello& m) {
  FieldWriter out;
  out.number(1, m.version).number(2, m.oldest).number(3, bits(m.pid));
  out.number(4, m.replaceable ? 1 : 0);
  if (m.face) out.number(5, *m.face);
  return out;
}

FieldWriter fields_of(const Replace& m) {
  FieldWriter out;
  for (const auto& word : m.argv)
    out.text(1, word);
  return out;
}

FieldWriter fields_of(const StaysAsItIs& m) {
  FieldWriter out;
  out.text(1, m.why);
  return out;
}

FieldWriter fields_of(const Keep& m) {
  FieldWriter out;
  for (const auto& service : m.services)
    out.text(1, service);
  return out;
}

FieldWriter fields_of(const Refused& m) {
  FieldWriter out;
  out.text(1, m.why);
  return out;
}

FieldWriter fields_of(const Command& m) {
  FieldWriter out;
  out.number(1, number_of(m.op)).text(2, m.service).text(3, m.key);
  out.text(4, encode_token(m.token)).text(5, m.comment);
  return out;
}

FieldWriter fields_of(const TcpReady& m) {
  FieldWriter out;
  out.text(1, m.service).text(2, m.key);
  return out;
}

FieldWriter fields_of(const Query& m) {
  FieldWriter out;
  out.text(1, m.service);
  return out;
}

FieldWriter fields_of(const Status& m) {
  FieldWriter out;
  out.text(1, m.name).text(2, m.display_name).number(3, number_of(m.state));
  if (m.instance) out.number(4, bits(m.instance->pid)).text(5, m.instance->key);
  out.number(6, (m.accepts.stop ? 1U : 0U) | (m.accepts.pause_continue ? 2U : 0U) |
                    (m.accepts.reload ? 4U : 0U));
  out.number(7, m.checkpoint).number(8, bits(m.wait_hint_ms)).number(9, bits(m.last_progress_ns));
  out.text(10, m.status_text);
  if (m.exit) {
    out.number(11, 1);
    if (m.exit->code) out.number(12, bits(*m.exit->code));
  }
  out.number(13, bits(m.since_ms));
  for (const auto& warning : m.warnings)
    out.text(14, warning);
  out.number(15, m.defined ? 1 : 0).number(16, m.wants_tcp ? 1 : 0);
  return out;
}

FieldWriter fields_of(const Answer& m) {
  FieldWriter out;
  out.text(1, encode_token(m.token)).text(2, m.service).text(3, encode_result(m.result));
  return out;
}

FieldWriter fields_of(const EndAnswer& m) {
  FieldWriter out;
  out.text(1, m.refused);
  return out;
}

FieldWriter fields_of(const HeldSocket& m) {
  FieldWriter out;
  out.text(1, m.service).text(2, m.address);
  return out;
}

Type type_of(const Message& message) {
  // The variant's order is that of Type, from UnknownMessage = 0 on.
  return static_cast<Type>(message.index());
}

// Calls `take` for each field; false when the bytes are cut short.
template <typename Take>
bool each_field(std::string_view bytes, Take take) {
  FieldReader reader(bytes);
  while (const auto field = reader.next())
    take(*field);
  return reader.well_formed();
}

bool read(std::string_view bytes, Hello& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.version = static_cast<std::uint32_t>(f.number());
    if (f.tag == 2) m.oldest = static_cast<std::uint32_t>(f.number());
    if (f.tag == 3) m.pid = f.signed_number();
    if (f.tag == 4) m.replaceable = f.number() != 0;
    if (f.tag == 5) m.face = static_cast<std::uint32_t>(f.number());
  });
}

bool read(std::string_view bytes, Replace& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.argv.push_back(f.text());
  });
}

bool read(std::string_view bytes, StaysAsItIs& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.why = f.text();
  });
}

bool read(std::string_view bytes, Refused& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.why = f.text();
  });
}

bool read(std::string_view bytes, Command& m) {
  m.known = false;
  return each_field(bytes, [&](const Field& f) {
    if (f.tag == 1) {
      m.known = f.number() <= number_of(ControlOp::reload);
      m.op = enum_from(f, ControlOp::reload);
    }
    if (f.tag == 2) m.service = f.text();
    if (f.tag == 3) m.key = f.text();
    if (f.tag == 4) m.token = decode_token(f.bytes);
    if (f.tag == 5) m.comment = f.text();
  });
}

bool read(std::string_view bytes, TcpReady& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.service = f.text();
    if (f.tag == 2) m.key = f.text();
  });
}

bool read(std::string_view bytes, Query& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.service = f.text();
  });
}

void read_status_field(const Field& f, Status& m) {
  const auto instance = [&m]() -> Instance& {
    if (!m.instance) m.instance.emplace();
    return *m.instance;
  };
  switch (f.tag) {
    case 1:
      m.name = f.text();
      break;
    case 2:
      m.display_name = f.text();
      break;
    case 3:
      m.state = enum_from(f, ServiceState::paused);
      break;
    case 4:
      instance().pid = f.signed_number();
      break;
    case 5:
      instance().key = f.text();
      break;
    case 6:
      m.accepts = {.stop = (f.number() & 1U) != 0,
                   .pause_continue = (f.number() & 2U) != 0,
                   .reload = (f.number() & 4U) != 0};
      break;
    case 7:
      m.checkpoint = f.number();
      break;
    case 8:
      m.wait_hint_ms = f.signed_number();
      break;
    case 9:
      m.last_progress_ns = f.signed_number();
      break;
    case 10:
      m.status_text = f.text();
      break;
    case 11:
      m.exit.emplace();
      break;
    case 12:
      if (!m.exit) m.exit.emplace();
      m.exit->code = f.signed_number();
      break;
    case 13:
      m.since_ms = f.signed_number();
      break;
    case 14:
      m.warnings.push_back(f.text());
      break;
    case 15:
      m.defined = f.number() != 0;
      break;
    case 16:
      m.wants_tcp = f.number() != 0;
      break;
    default:
      break;
  }
}

bool read(std::string_view bytes, Status& m) {
  bool known_state = true;  // another one must not pass for "stopped"
  const bool whole = each_field(bytes, [&](const Field& f) {
    if (f.tag == 3) known_state = f.number() <= number_of(ServiceState::paused);
    read_status_field(f, m);
  });
  return whole && known_state;
}

bool read(std::string_view bytes, Answer& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.token = decode_token(f.bytes);
    if (f.tag == 2) m.service = f.text();
    if (f.tag == 3) m.result = decode_result(f.bytes);
  });
}

bool read(std::string_view bytes, EndAnswer& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.refused = f.text();
  });
}

bool read(std::string_view bytes, HeldSocket& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.service = f.text();
    if (f.tag == 2) m.address = f.text();
  });
}

bool read(std::string_view bytes, Keep& m) {
  return each_field(bytes, [&m](const Field& f) {
    if (f.tag == 1) m.services.push_back(f.text());
  });
}

bool read(std::string_view bytes, DefinedAll&) {
  return each_field(bytes, [](const Field&) {});
}
bool read(std::string_view bytes, End&) {
  return each_field(bytes, [](const Field&) {});
}
bool read(std::string_view bytes, StatusAll&) {
  return each_field(bytes, [](const Field&) {});
}

template <typename M>
std::expected<Message, std::string> decode_as(std::string_view bytes) {
  M message;
  if (!read(bytes, message)) return std::unexpected("the message is cut short or malformed");
  return Message(std::move(message));
}

// 0 for none; what cannot be a signal becomes -1, which decode_spec() refuses.
int signal_from(const Field& f) {
  constexpr std::uint64_t kLastSignal = 64;
  return f.number() <= kLastSignal ? static_cast<int>(f.number()) : -1;
}

// A service is asked, so it has to be able to answer.
bool can_be_answered(int signal) {
  // never-kills: this refuses the two that no process can catch
  return signal >= 0 && signal != SIGKILL && signal != SIGSTOP;
}

void read_spec_field(const Field& f, ServiceSpec& spec) {
  switch (f.tag) {
    case 1:
      spec.name = f.text();
      break;
    case 2:
      spec.display_name = f.text();
      break;
    case 3:
      spec.command.push_back(f.text());
      break;
    case 4:
      spec.depends_on.push_back(f.text());
      break;
    case 5:
      spec.start = enum_from(f, StartType::disabled);
      break;
    case 6:
      spec.type = enum_from(f, Readiness::notify);
      break;
    case 7:
      spec.ready_tcp = f.text();
      break;
    case 8:
      spec.stop_signal = signal_from(f);
      break;
    case 9:
      spec.stop_command.push_back(f.text());
      break;
    case 10:
      spec.reload_signal = signal_from(f);
      break;
    case 11:
      spec.reload_command.push_back(f.text());
      break;
    case 12:
      spec.restart = enum_from(f, RestartPolicy::always);
      break;
    case 13:
      spec.user = f.text();
      break;
    case 14:
      spec.directory = f.text();
      break;
    case 15:
      spec.environment.emplace_back(f.text(), std::string());
      break;
    case 16:
      if (!spec.environment.empty()) spec.environment.back().second = f.text();
      break;
    case 17:
      spec.limits.emplace_back(f.text(), 0);
      break;
    case 18:
      if (!spec.limits.empty()) spec.limits.back().second = f.number();
      break;
    default:
      break;
  }
}

bool holds_nul(const ServiceSpec& spec) {
  const auto bad = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  const auto any = [&bad](const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(), bad);
  };
  return any(spec.command) || any(spec.stop_command) || any(spec.reload_command) ||
         bad(spec.user) || bad(spec.directory) ||
         std::any_of(spec.environment.begin(), spec.environment.end(),
                     [&bad](const auto& entry) { return bad(entry.first) || bad(entry.second); });
}

}  // namespace

std::string encode(const Message& message) {
  if (const auto* define = std::get_if<Define>(&message)) {
    return static_cast<char>(Type::define) + encode_spec(define->spec);
  }
  return std::visit(
      [&message](const auto& m) {
        if constexpr (std::is_same_v<std::decay_t<decltype(m)>, Define>) {
          return std::string();  // above
        } else {
          return static_cast<char>(type_of(message)) + fields_of(m).take();
        }
      },
      message);
}

std::expected<Message, std::string> decode(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > kMaxMessage) {
    return std::unexpected("the message is empty or larger than 64 KiB");
  }
  const auto type = static_cast<Type>(bytes.front());
  bytes.remove_prefix(1);
  switch (type) {
    case Type::hello:
      return decode_as<Hello>(bytes);
    case Type::refused:
      return decode_as<Refused>(bytes);
    case Type::define: {
      auto spec = decode_spec(bytes);
      if (!spec) return std::unexpected(std::move(spec.error()));
      return Message(Define{.spec = std::move(*spec)});
    }
    case Type::defined_all:
      return decode_as<DefinedAll>(bytes);
    case Type::command:
      return decode_as<Command>(bytes);
    case Type::tcp_ready:
      return decode_as<TcpReady>(bytes);
    case Type::query:
      return decode_as<Query>(bytes);
    case Type::end:
      return decode_as<End>(bytes);
    case Type::status:
      return decode_as<Status>(bytes);
    case Type::status_all:
      return decode_as<StatusAll>(bytes);
    case Type::answer:
      return decode_as<Answer>(bytes);
    case Type::end_answer:
      return decode_as<EndAnswer>(bytes);
    case Type::held_socket:
      return decode_as<HeldSocket>(bytes);
    case Type::replace:
      return decode_as<Replace>(bytes);
    case Type::stays_as_it_is:
      return decode_as<StaysAsItIs>(bytes);
    case Type::keep:
      return decode_as<Keep>(bytes);
  }
  return Message(UnknownMessage{});
}

std::string encode_spec(const ServiceSpec& spec) {
  FieldWriter out;
  out.text(1, spec.name).text(2, spec.display_name);
  for (const auto& word : spec.command)
    out.text(3, word);
  for (const auto& name : spec.depends_on)
    out.text(4, name);
  out.number(5, number_of(spec.start)).number(6, number_of(spec.type)).text(7, spec.ready_tcp);
  out.number(8, static_cast<std::uint64_t>(spec.stop_signal));
  for (const auto& word : spec.stop_command)
    out.text(9, word);
  out.number(10, static_cast<std::uint64_t>(spec.reload_signal));
  for (const auto& word : spec.reload_command)
    out.text(11, word);
  out.number(12, number_of(spec.restart)).text(13, spec.user).text(14, spec.directory);
  for (const auto& [name, value] : spec.environment)
    out.text(15, name).text(16, value);
  for (const auto& [name, value] : spec.limits)
    out.text(17, name).number(18, value);
  return out.take();
}

std::uint64_t launch_digest(const ServiceSpec& spec) {
  ServiceSpec launched;
  launched.command = spec.command;
  launched.user = spec.user;
  launched.directory = spec.directory;
  launched.environment = spec.environment;
  launched.limits = spec.limits;
  return checksum(encode_spec(launched));
}

std::expected<ServiceSpec, std::string> decode_spec(std::string_view bytes) {
  ServiceSpec spec;
  if (!each_field(bytes, [&spec](const Field& f) { read_spec_field(f, spec); })) {
    return std::unexpected("the definition is cut short");
  }
  if (!valid_name(spec.name)) {
    return std::unexpected("a service's name is 1 to 80 of the characters A-Z a-z 0-9 . _ @ -");
  }
  if (spec.command.empty() || spec.command.front().empty() || spec.command.front()[0] != '/') {
    return std::unexpected("the command of " + spec.name + " is not an absolute path");
  }
  if (!can_be_answered(spec.stop_signal) || !can_be_answered(spec.reload_signal)) {
    return std::unexpected("the definition of " + spec.name +
                           " has a signal that cannot be caught");
  }
  if (holds_nul(spec)) return std::unexpected("the definition of " + spec.name + " holds a NUL");
  return spec;
}

bool valid_name(std::string_view name) {
  constexpr std::string_view kOthers = "._@-";
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [kOthers](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  kOthers.find(c) != std::string_view::npos;
         });
}

std::optional<std::string> incompatible(const Hello& other) {
  if (other.version >= kOldestProtocol && other.oldest <= kProtocolVersion) return std::nullopt;
  return "the other side speaks versions " + std::to_string(other.oldest) + " to " +
         std::to_string(other.version) + " of the keeper's protocol, this one " +
         std::to_string(kOldestProtocol) + " to " + std::to_string(kProtocolVersion);
}

std::string encode_token(const ControlToken& token) {
  FieldWriter out;
  out.text(1, token.job).number(2, token.step).number(3, token.attempt);
  return out.take();
}

ControlToken decode_token(std::string_view bytes) {
  constexpr std::size_t kMaxJob = 64;
  ControlToken token;
  each_field(bytes, [&token](const Field& f) {
    if (f.tag == 1) token.job = std::string(f.bytes.substr(0, kMaxJob));
    if (f.tag == 2) token.step = static_cast<std::uint32_t>(f.number());
    if (f.tag == 3) token.attempt = static_cast<std::uint32_t>(f.number());
  });
  return token;
}

std::string encode_result(const Result<void>& result) {
  FieldWriter out;
  if (result) return out.take();
  const Error& error = result.error();
  out.text(1, to_string(error.kind)).text(2, error.detail).text(3, error.service);
  if (error.native_code) out.number(4, bits(*error.native_code));
  out.text(5, error.native_name).number(6, number_of(error.effect));
  return out.take();
}

Result<void> decode_result(std::string_view bytes) {
  if (bytes.empty()) return {};
  Error error;
  each_field(bytes, [&error](const Field& f) {
    if (f.tag == 1) error.kind = error_kind_from(f.bytes).value_or(ErrorKind::scm_failure);
    if (f.tag == 2) error.detail = f.text();
    if (f.tag == 3) error.service = f.text();
    if (f.tag == 4) error.native_code = f.signed_number();
    if (f.tag == 5) error.native_name = f.text();
    if (f.tag == 6) error.effect = enum_from(f, Effect::unknown);
  });
  return std::unexpected(std::move(error));
}

}  // namespace noforce::supervisor
