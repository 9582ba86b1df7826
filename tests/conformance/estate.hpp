// What the conformance suite needs of a backend's SCM: services that behave as they are told, and a
// few facts. One implementation a backend; the cases (any_scm.hpp) know nothing else, and no
// operating system.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"

namespace noforce::test {

// How a service behaves. Nothing here goes by the clock: what takes long ends with a cue.
enum class Manner : std::uint8_t {
  ordinary,        // runs once it is started, stops with success once it is asked
  slow_to_start,   // start_pending until Cue::finish
  fails_to_start,  // ends with an error before it runs
  slow_to_stop,    // stop_pending until Cue::finish or Cue::crash; without a cue: hung
  fails_to_stop,   // ends with an error when it is asked to stop
  comes_back,      // ordinary; when it crashes its SCM starts it again by itself
};

struct Role {
  std::string name;  // as the suite calls it: lower case letters
  Manner manner = Manner::ordinary;
  std::vector<std::string> depends_on;
};

// What a test tells a service that runs or is in a pending state.
enum class Cue : std::uint8_t {
  progress,  // one more sign of progress of the pending state
  finish,    // the pending state ends well: it runs, or stops with success
  crash,     // the process is gone without a word
};

// How an instance ended.
enum class Ending : std::uint8_t { asked, failed_to_start, failed_to_stop, crashed };

// What this SCM can do; a case asserts the opposite where it cannot.
struct Abilities {
  bool pauses = false;             // its services take pause and continue
  bool reloads = false;            // its services take reload
  bool tells_status_text = false;  // Cue::progress shows in Service::status_text
  bool tells_wait_hint = false;    // ... and in Service::wait_hint
  bool can_be_broken = false;      // break_connection() works
  // Knows how an instance ended that ended while the connection was broken.
  bool knows_missed_exits = false;
  // An own SCM for this estate: nothing is listed but what the suite installed.
  bool lists_only_ours = false;
  // Another client, later, gets the first answer to a token that this one has sent.
  bool remembers_for_others = false;
  // Manner::comes_back can be had: this SCM starts a service again by itself.
  bool brings_back = true;
  // How long this SCM itself waits for a stop before it would end the process by force; 0: it never
  // would. The estate makes it as short as its SCM allows.
  Milliseconds kills_after{0};
};

class Estate {
 public:
  virtual ~Estate() = default;  // leaves no process and no file, whatever the test left hanging

  [[nodiscard]] virtual Abilities abilities() const = 0;
  // Makes these services known to the SCM, stopped; also while clients are connected.
  virtual void install(const std::vector<Role>& roles) = 0;
  // Changes what an installed service depends on.
  virtual void depend(const std::string& name, const std::vector<std::string>& on) = 0;
  // The SCM's own name for an installed service ("web.service"), and other spellings that mean it.
  [[nodiscard]] virtual std::string canonical(const std::string& name) const = 0;
  [[nodiscard]] virtual std::vector<std::string> spellings(const std::string& name) const = 0;

  // A new client of the one SCM, not started yet. It may outlive the one before, not the estate.
  [[nodiscard]] virtual std::unique_ptr<Scm> connect() = 0;

  virtual void cue(const std::string& name, Cue cue) = 0;
  // Asks the SCM to stop it as any other program would (`net stop`, `systemctl stop`), and does not
  // wait for it.
  virtual void stop_as_a_stranger(const std::string& name) = 0;
  // How many times the service was asked to stop, over all its instances.
  [[nodiscard]] virtual int stops_heard(const std::string& name) = 0;
  [[nodiscard]] virtual bool lives(std::int64_t pid) const = 0;
  // What Service::exit says after an ending; a crash's only where it is not unknown.
  [[nodiscard]] virtual Exit exit_after(Ending ending) const = 0;

  // With Abilities::can_be_broken: the SCM's process ends, or forgets its clients, and one that knows
  // the services takes its place; they run on.
  virtual void break_connection() = 0;
  // What a backend has put in place for stops and not taken away yet, for the person who reads it.
  [[nodiscard]] virtual std::vector<std::string> leftovers() const = 0;
};

using MakeEstate = std::unique_ptr<Estate> (*)();

}  // namespace noforce::test
