// What the agent has to know of its own controls after it died. The service manager knows no
// tokens: it only refuses some repetitions (1056 for a start, 1061 and 1062 for a stop). A note is on
// disk before its control is sent, and says afterwards what the answer was.
//
// The file has two places of a fixed size that are written in turn, each with its length and a sum
// over its text; so it takes no new space on a full disk, and a torn write costs the newest note
// only. Not synced: it has to outlive the agent, not the machine, whose next boot voids each
// instance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/codes.hpp"
#include "core/scm/windows/followed.hpp"

namespace noforce::windows {

struct Note {
  ControlToken token;
  ControlOp op = ControlOp::stop;
  std::string service;
  std::string key;             // of the instance that was meant; empty for a start
  std::int64_t sent_ns = 0;    // monotonic; before the control went out
  std::optional<Code> answer;  // unset: none was heard

  bool operator==(const Note&) const = default;
};

struct Notes {
  std::vector<Note> controls;                  // oldest first
  std::map<std::string, Followed::Runs> runs;  // by service

  bool operator==(const Notes&) const = default;
};

// A line each, fields separated by tabs; a line that cannot be read is left out.
[[nodiscard]] std::string encode(const Notes& notes);
[[nodiscard]] Notes decode_notes(std::string_view text);

class Notebook {
 public:
  static constexpr std::size_t kPlace = 64 * 1024;
  static constexpr std::size_t kMostControls = 256;

  // Reads what an agent before left in `file`; what cannot be read counts as nothing. An empty path
  // keeps everything in memory.
  explicit Notebook(std::filesystem::path file);

  [[nodiscard]] const Note* find(const ControlToken& token) const;
  [[nodiscard]] const std::map<std::string, Followed::Runs>& runs() const { return notes_.runs; }
  // True once it is on disk.
  [[nodiscard]] bool add(Note note);
  void answer(const ControlToken& token, Code code);
  void remember(const std::string& service, const Followed::Runs& runs);

 private:
  [[nodiscard]] bool save();
  void trim();

  std::filesystem::path file_;
  Notes notes_;
  std::uint64_t sequence_ = 0;
};

// A control whose token is known, with no answer, from an agent before this one: what to do.
struct Repeat {
  enum class Do : std::uint8_t { answer, wait, send };
  Do what = Do::answer;
  Code code = code::success;  // answer: with this
  MonoTime until{};           // wait: look again then, or when the service changes
};

// "The handler must return within 30 seconds" (Service Control Handler Function): a service that is
// as it was after that did not get the control, or took no notice.
inline constexpr Milliseconds kHandlerTime{30'000};
inline constexpr Milliseconds kHandlerGrace{2'000};

// Pure. `service` is null when the manager knows it no longer.
//   - a start of a service that is stopped is sent again (1056 if it was on its way after all); of
//     one that is up it was taken;
//   - a stop whose instance is gone is answered not active, one that is under way was taken;
//   - what looks as if nothing was sent is waited for until kHandlerTime has passed since the note,
//     and then sent once more: never a second stop on a guess while the first may be in its handler.
[[nodiscard]] Repeat decide_repeat(const Note& note, const Service* service, MonoTime now);

}  // namespace noforce::windows
