// The only file that knows sd-bus.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <system_error>
#include <utility>

#include <systemd/sd-bus.h>

#include "core/scm/systemd/unit.hpp"
#include "core/scm/systemd/wire.hpp"

namespace noforce::systemd {
namespace {

struct BusCloser {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, BusCloser>;

struct MessageRelease {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, MessageRelease>;

std::unexpected<Error> cannot(const std::string& what, int number) {
  Error error{.kind = ErrorKind::scm_unavailable,
              .detail = what + ": " + std::generic_category().message(-number)};
  error.native_code = -number;
  return std::unexpected(std::move(error));
}

// Deeper than anything that systemd sends; D-Bus itself allows 64.
constexpr int kDeepest = 16;

// Reading stops at what is not understood; what was read so far counts.
class Reader {
 public:
  explicit Reader(sd_bus_message* message) : message_(message) {}

  Value::List all() {
    Value::List values;
    while (good_ && sd_bus_message_at_end(message_, 0) == 0)
      values.push_back(one(0));
    return values;
  }

 private:
  Value one(int depth) {
    char type = 0;
    const char* contents = nullptr;
    if (depth > kDeepest || sd_bus_message_peek_type(message_, &type, &contents) <= 0)
      return lost();
    switch (type) {
      case SD_BUS_TYPE_BOOLEAN:
        return Value(basic<int>(type) != 0);
      case SD_BUS_TYPE_BYTE:
        return Value(std::uint64_t{basic<std::uint8_t>(type)});
      case SD_BUS_TYPE_INT16:
        return Value(std::int64_t{basic<std::int16_t>(type)});
      case SD_BUS_TYPE_UINT16:
        return Value(std::uint64_t{basic<std::uint16_t>(type)});
      case SD_BUS_TYPE_INT32:
        return Value(std::int64_t{basic<std::int32_t>(type)});
      case SD_BUS_TYPE_UINT32:
        return Value(std::uint64_t{basic<std::uint32_t>(type)});
      case SD_BUS_TYPE_INT64:
        return Value(std::int64_t{basic<std::int64_t>(type)});
      case SD_BUS_TYPE_UINT64:
        return Value(std::uint64_t{basic<std::uint64_t>(type)});
      case SD_BUS_TYPE_DOUBLE:
        return Value(basic<double>(type));
      case SD_BUS_TYPE_STRING:
      case SD_BUS_TYPE_OBJECT_PATH:
      case SD_BUS_TYPE_SIGNATURE: {
        const char* text = basic<const char*>(type);
        return Value(std::string(text == nullptr ? "" : text));
      }
      case SD_BUS_TYPE_UNIX_FD:  // belongs to the message
        (void)basic<int>(type);
        return {};
      case SD_BUS_TYPE_ARRAY:
        return array(contents, depth);
      case SD_BUS_TYPE_VARIANT: {
        if (sd_bus_message_enter_container(message_, type, contents) < 0) return lost();
        Value value = one(depth + 1);
        if (good_ && sd_bus_message_exit_container(message_) < 0) return lost();
        return value;
      }
      case SD_BUS_TYPE_STRUCT:
      case SD_BUS_TYPE_DICT_ENTRY:
        return list(type, contents, depth);
      default:
        return lost();
    }
  }

  Value array(const char* contents, int depth) {
    if (std::strcmp(contents, "y") == 0) {
      const void* bytes = nullptr;
      std::size_t size = 0;
      if (sd_bus_message_read_array(message_, 'y', &bytes, &size) < 0) return lost();
      return Value(std::string(static_cast<const char*>(bytes), size));
    }
    if (std::strcmp(contents, "{sv}") == 0) return properties(contents, depth);
    return list(SD_BUS_TYPE_ARRAY, contents, depth);
  }

  Value list(char type, const char* contents, int depth) {
    if (sd_bus_message_enter_container(message_, type, contents) < 0) return lost();
    Value::List values;
    while (good_ && sd_bus_message_at_end(message_, 0) == 0)
      values.push_back(one(depth + 1));
    if (good_ && sd_bus_message_exit_container(message_) < 0) return lost();
    return Value(std::move(values));
  }

  // A unit has some three hundred properties; only those that anybody asks for are taken apart.
  Value properties(const char* contents, int depth) {
    if (sd_bus_message_enter_container(message_, SD_BUS_TYPE_ARRAY, contents) < 0) return lost();
    Value::List entries;
    while (good_ && sd_bus_message_enter_container(message_, SD_BUS_TYPE_DICT_ENTRY, "sv") > 0) {
      const char* name = basic<const char*>(SD_BUS_TYPE_STRING);
      if (!good_) break;
      if (is_wanted_property(name)) {
        Value::List entry;
        entry.emplace_back(std::string(name));
        entry.push_back(one(depth + 1));
        entries.emplace_back(std::move(entry));
      } else if (sd_bus_message_skip(message_, "v") < 0) {
        return lost();
      }
      if (good_ && sd_bus_message_exit_container(message_) < 0) return lost();
    }
    if (good_ && sd_bus_message_exit_container(message_) < 0) return lost();
    return Value(std::move(entries));
  }

  template <typename T>
  T basic(char type) {
    T value{};
    if (sd_bus_message_read_basic(message_, type, static_cast<void*>(&value)) < 0) good_ = false;
    return value;
  }

  Value lost() {
    good_ = false;
    return {};
  }

  sd_bus_message* message_;
  bool good_ = true;
};

class BusWire final : public Wire {
 public:
  BusWire(Bus bus, OnSignal on_signal) : bus_(std::move(bus)), on_signal_(std::move(on_signal)) {}
  ~BusWire() override {
    bus_.reset();  // no callback any more, before what they point to goes
  }

  // `over_bus`: a bus is between us and the manager, and tells when that one goes.
  Result<void> listen(bool over_bus) {
    const char* sender = over_bus ? "org.freedesktop.systemd1" : nullptr;
    const std::string manager(kManagerInterface);
    const std::string properties(kPropertiesInterface);
    int bad = sd_bus_match_signal(bus_.get(), nullptr, sender, nullptr, manager.c_str(), nullptr,
                                  &BusWire::heard, this);
    if (bad >= 0) {
      bad = sd_bus_match_signal(bus_.get(), nullptr, sender, nullptr, properties.c_str(),
                                "PropertiesChanged", &BusWire::heard, this);
    }
    if (bad >= 0 && over_bus) {
      bad = sd_bus_add_match(
          bus_.get(), nullptr,
          "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
          "member='NameOwnerChanged',arg0='org.freedesktop.systemd1'",
          &BusWire::owner_changed, this);
    }
    if (bad < 0) return cannot("cannot listen to the service manager's signals", bad);
    return {};
  }

  void call(Call call, OnReply on_reply) override {
    sd_bus_message* raw = nullptr;
    int bad = sd_bus_message_new_method_call(bus_.get(), &raw, "org.freedesktop.systemd1",
                                             call.path.c_str(), call.interface.c_str(),
                                             call.member.c_str());
    const Message message(raw);
    for (const auto& argument : call.arguments) {
      if (bad >= 0) bad = sd_bus_message_append_basic(raw, SD_BUS_TYPE_STRING, argument.c_str());
    }
    auto pending = std::make_unique<Pending>(Pending{this, std::move(on_reply)});
    if (bad >= 0) {
      const auto patience = static_cast<std::uint64_t>(call.patience.count()) * 1000;
      bad = sd_bus_call_async(bus_.get(), nullptr, raw, &BusWire::replied, pending.get(), patience);
    }
    Pending* const key = pending.get();
    pending_.emplace(key, std::move(pending));
    if (bad < 0) unsent_.push_back({key, -bad});
  }

  bool process() override {
    give_unsent();
    int did = 1;
    while (did > 0 && !gone_)
      did = sd_bus_process(bus_.get(), nullptr);
    give_unsent();
    if (did >= 0 && !gone_ && sd_bus_is_open(bus_.get()) > 0) return true;
    give_up();
    return false;
  }

  int descriptor() const override { return sd_bus_get_fd(bus_.get()); }

  short events() const override {
    const int events = sd_bus_get_events(bus_.get());
    return static_cast<short>(events < 0 ? POLLIN : events);
  }

  std::optional<MonoTime> due() const override {
    if (!unsent_.empty()) return MonoTime{};
    std::uint64_t at = 0;
    if (sd_bus_get_timeout(bus_.get(), &at) < 0 || at == UINT64_MAX) return std::nullopt;
    return MonoTime(std::chrono::microseconds(at));  // CLOCK_MONOTONIC, as ours
  }

 private:
  struct Pending {
    BusWire* wire;
    OnReply on_reply;
  };
  struct Unsent {
    Pending* key;
    int number;
  };

  static int replied(sd_bus_message* message, void* data, sd_bus_error*) {
    auto* const pending = static_cast<Pending*>(data);
    pending->wire->give(pending, reply_of(message));
    return 0;
  }

  static CallReply reply_of(sd_bus_message* message) {
    const sd_bus_error* error = sd_bus_message_get_error(message);
    if (error == nullptr) return Reader(message).all();
    CallError told{.name = error->name == nullptr ? "" : error->name,
                   .message = error->message == nullptr ? "" : error->message,
                   .number = sd_bus_error_get_errno(error)};
    told.unknown_effect = told.name == SD_BUS_ERROR_NO_REPLY || told.name == SD_BUS_ERROR_TIMEOUT ||
                          told.name == SD_BUS_ERROR_DISCONNECTED || told.number == ETIMEDOUT ||
                          told.number == ECONNRESET;
    return std::unexpected(std::move(told));
  }

  static int heard(sd_bus_message* message, void* data, sd_bus_error*) {
    auto* const wire = static_cast<BusWire*>(data);
    const Signal signal{.path = text(sd_bus_message_get_path(message)),
                        .interface = text(sd_bus_message_get_interface(message)),
                        .member = text(sd_bus_message_get_member(message)),
                        .arguments = Reader(message).all()};
    wire->on_signal_(signal);
    return 0;
  }

  static int owner_changed(sd_bus_message* message, void* data, sd_bus_error*) {
    // Another manager, or none: whatever was asked of the one before stays unanswered.
    (void)message;
    static_cast<BusWire*>(data)->gone_ = true;
    return 0;
  }

  static std::string text(const char* text) { return text == nullptr ? "" : text; }

  void give(Pending* key, CallReply reply) {
    const auto found = pending_.find(key);
    if (found == pending_.end()) return;
    const OnReply on_reply = std::move(found->second->on_reply);
    pending_.erase(found);
    on_reply(std::move(reply));
  }

  void give_unsent() {
    for (const auto& unsent : std::exchange(unsent_, {})) {
      give(unsent.key,
           std::unexpected(CallError{.message = std::generic_category().message(unsent.number),
                                     .number = unsent.number}));
    }
  }

  void give_up() {
    while (!pending_.empty()) {
      give(pending_.begin()->first,
           std::unexpected(CallError{.message = "the service manager is gone",
                                     .number = ECONNRESET,
                                     .unknown_effect = true}));
    }
  }

  Bus bus_;
  OnSignal on_signal_;
  std::map<Pending*, std::unique_ptr<Pending>> pending_;
  std::vector<Unsent> unsent_;
  bool gone_ = false;
};

std::string escaped_address(const std::string& path) {
  constexpr std::string_view plain = "/.-_\\";
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "unix:path=";
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || plain.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += hex[byte >> 4U];
    out += hex[byte & 15U];
  }
  return out;
}

Result<Bus> connect_to(const std::string& socket) {
  sd_bus* raw = nullptr;
  if (const int bad = sd_bus_new(&raw); bad < 0) return cannot("cannot make a connection", bad);
  Bus bus(raw);
  int bad = sd_bus_set_address(raw, escaped_address(socket).c_str());
  if (bad >= 0) bad = sd_bus_start(raw);
  if (bad < 0) return cannot("cannot connect to the service manager at " + socket, bad);
  return bus;
}

Result<Bus> connect_over_bus(Scope scope) {
  sd_bus* raw = nullptr;
  const int bad = scope == Scope::system ? sd_bus_open_system(&raw) : sd_bus_open_user(&raw);
  if (bad < 0) {
    return cannot(scope == Scope::system
                      ? "cannot connect to the system's bus; does systemd run this machine?"
                      : "cannot connect to the user's bus; is XDG_RUNTIME_DIR set, and does this "
                        "user's manager run (loginctl enable-linger)?",
                  bad);
  }
  return Bus(raw);
}

}  // namespace

OpenWire bus_wire(Scope scope, const std::string& runtime_dir) {
  const std::string own =
      scope == Scope::system ? "/run/systemd/private" : runtime_dir + "/systemd/private";
  return [scope, own](OnSignal on_signal) -> Result<std::unique_ptr<Wire>> {
    const bool direct = ::access(own.c_str(), W_OK) == 0;
    auto bus = direct ? connect_to(own) : connect_over_bus(scope);
    if (!bus) return std::unexpected(std::move(bus.error()));
    const bool listens = static_cast<bool>(on_signal);
    auto wire = std::make_unique<BusWire>(std::move(*bus), std::move(on_signal));
    if (!listens) return wire;
    if (auto listening = wire->listen(!direct); !listening) {
      return std::unexpected(std::move(listening.error()));
    }
    return wire;
  };
}

}  // namespace noforce::systemd
