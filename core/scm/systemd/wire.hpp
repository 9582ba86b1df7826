// One connection to a manager: calls out, replies and signals in, in the order in which the manager
// sent them. The table through which all of D-Bus goes; tests put a manager of paper behind it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/scm/systemd/value.hpp"

namespace noforce::systemd {

inline constexpr std::string_view kManagerPath = "/org/freedesktop/systemd1";
inline constexpr std::string_view kManagerInterface = "org.freedesktop.systemd1.Manager";
inline constexpr std::string_view kPropertiesInterface = "org.freedesktop.DBus.Properties";

// All that is asked of a manager takes strings.
struct Call {
  std::string path{kManagerPath};
  std::string interface{kManagerInterface};
  std::string member;
  std::vector<std::string> arguments;
  Milliseconds patience{25'000};
};

struct Signal {
  std::string path;
  std::string interface;
  std::string member;
  Value::List arguments;
};

// A D-Bus error: its name, or the errno of a connection that broke.
struct CallError {
  std::string name;     // "org.freedesktop.systemd1.NoSuchUnit"; empty: an errno
  std::string message;  // the manager's, in its words
  int number = 0;       // positive errno
  // It cannot be known whether the call was carried out: the connection broke, or no answer came.
  bool unknown_effect = false;
};

using CallReply = std::expected<Value::List, CallError>;

class Wire {
 public:
  virtual ~Wire() = default;

  using OnReply = std::function<void(CallReply)>;
  // Sends; the reply comes within process(), once, also when the connection breaks.
  virtual void call(Call call, OnReply on_reply) = 0;
  // Handles what came in. False: the connection is gone, every reply was given.
  [[nodiscard]] virtual bool process() = 0;
  // For poll(2): what to wait for, and when process() is due at the latest.
  [[nodiscard]] virtual int descriptor() const = 0;
  [[nodiscard]] virtual short events() const = 0;
  [[nodiscard]] virtual std::optional<MonoTime> due() const = 0;
};

// Opens a connection that hands its signals to `on_signal`; without one it asks for none, and so does not wait
// for a bus to let it in. One thread.
using OnSignal = std::function<void(const Signal&)>;
using OpenWire = std::function<Result<std::unique_ptr<Wire>>(OnSignal on_signal)>;

// Which manager.
enum class Scope : std::uint8_t { system, user };

// By sd-bus: over the manager's own socket where this process may use it (no bus is needed then), else
// over the system's or the user's bus. `runtime_dir`: XDG_RUNTIME_DIR of the user's manager.
[[nodiscard]] OpenWire bus_wire(Scope scope, const std::string& runtime_dir);

}  // namespace noforce::systemd
