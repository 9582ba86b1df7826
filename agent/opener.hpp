// Where the settings name a user ([server] user), `serve` is two processes. The opener stays root: it
// reads the settings, prepares the directories, starts the keeper and tells it what to run. The face
// runs below it as that user, for good: network, TLS, JSON, journal, hooks. Between them is one line,
// over which the face can wish for what stands in `Wish`, one byte each and nothing besides; so a
// face that was taken over can have done again what the settings say, and nothing else.
//
// Linux; elsewhere the settings cannot name one.
//
// The keeper belongs to root (keeper_door.hpp) and starts services as whatever user they are to be.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::agent {

enum class Wish : char {
  keeper = 'k',       // see to it that the keeper runs, with the definitions of the last reload
  definitions = 'd',  // read the settings again, and tell the keeper what they say
  // To our own service manager, in the opener's words:
  ready = 'r',
  reloading = 'l',
  stopping = 's',
  more_time = 'm',
  alive = 'a',
};

// The face's end of the line. Any thread; one wish at a time.
class OpenerLine {
 public:
  virtual ~OpenerLine() = default;
  // Waits until it is granted, for as long as the keeper takes; or the opener's sentence why not.
  [[nodiscard]] virtual Result<void> wish(Wish what) = 0;
  // Whether the opener still runs. When it ends, this process gets SIGTERM.
  [[nodiscard]] virtual bool is_held() const = 0;
  // How often the service manager wants to hear Wish::alive at the least (Notifier::watchdog()).
  [[nodiscard]] virtual std::optional<Milliseconds> watchdog() const = 0;
};

struct OpenerOptions {
  config::Settings settings;  // with a user
  std::function<Result<config::Settings>()> read_settings;
  bool first_process = false;  // a container's: it starts the face again when a signal ended it
};

// Runs `face` below it as the settings' user, until it ends: its exit status. Called by root, before
// there is a second thread.
[[nodiscard]] int run_opener(const OpenerOptions& options,
                             const std::function<int(OpenerLine&)>& face);

}  // namespace noforce::agent
