// What systemd, or whoever plays it, says of its units over D-Bus. sd_bus reads the messages; what they may
// hold is written here as text: "unit NAME" begins what is said of one, each "Property=value" after it is an
// entry, "forget NAME" takes one out. A value is text unless it begins with # (int64), % (uint64), ! (true),
// ? (false) or [ (a list of words).
#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string>

#include "core/scm/systemd/names.hpp"
#include "core/scm/systemd/sparing.hpp"
#include "core/scm/systemd/units.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

using systemd::Unit;
using systemd::Units;
using systemd::Value;

template <typename Number>
Value number(std::string_view text) {
  Number value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return Value(value);
}

Value value_of(std::string_view text) {
  if (text.empty()) return Value(std::string());
  const std::string_view rest = text.substr(1);
  switch (text.front()) {
    case '#':
      return number<std::int64_t>(rest);
    case '%':
      return number<std::uint64_t>(rest);
    case '!':
      return Value(true);
    case '?':
      return Value(false);
    case '[': {
      Value::List list;
      for (std::size_t at = 0; at < rest.size();) {
        const std::size_t end = std::min(rest.find(' ', at), rest.size());
        const std::string_view one = rest.substr(at, end - at);
        if (one.empty() || one.front() != '[') list.push_back(value_of(one));
        at = end + 1;
      }
      return Value(std::move(list));
    }
    default:
      return Value(std::string(text));
  }
}

bool is_of_the_drop_in(std::string_view line) {
  constexpr std::array<std::string_view, 11> known{
      "[Service]",
      "[Scope]",
      "[Socket]",
      "[Mount]",
      "[Swap]",
      "[Unit]",
      "TimeoutStopSec=infinity",
      "TimeoutSec=infinity",
      "TimeoutAbortSec=infinity",
      "JobTimeoutSec=infinity",
      "JobRunningTimeoutSec=infinity",
  };
  return line.empty() || line.starts_with("# ") || line == "SendSIGKILL=no" ||
         line == "KillSignal=SIGTERM" || std::ranges::find(known, line) != known.end();
}

void look_at(const Unit& unit) {
  const auto state = unit.state();
  const auto instance = unit.instance();
  expect(!instance || is_up(state), "only what is up has an instance", unit.is().id);
  const systemd::Sparing sparing = sparing_of(unit.is());
  expect(sparing.ways.empty() || !sparing.drop_in.empty(), "what can kill can be disarmed");
  expect(sparing.ways.empty() || unit.is().kill_mode != "none",
         "what has no way to end a process ends none");
  for (Input text(sparing.drop_in); !text.empty();) {
    const std::string_view line = text.line();
    expect(is_of_the_drop_in(line), "nothing of what was said gets into a drop-in", line);
  }
  for (const auto& way : sparing.ways)
    expect(clean_text(way, 600) == way, "what a person reads is harmless", way);
  for (const auto& way : other_ways(unit.is()))
    expect(clean_text(way, 600) == way, "what a person reads is harmless", way);
}

void look_at(const Service& service, const Picture& picture) {
  expect(systemd::is_unit_name(service.name), "a service has the name of a unit", service.name);
  for (const std::string& text : {service.display_name, service.status_text})
    expect(clean_text(text, 600) == text, "what a person reads is harmless", text);
  for (const auto& warning : service.warnings)
    expect(clean_text(warning, 2000) == warning, "a warning is harmless", warning);
  for (const auto& other : service.depends_on) {
    expect(other != service.name, "nothing depends on itself", other);
    expect(picture.find(other) != nullptr, "what is depended on is listed", other);
  }
}

void look_at(Units& units) {
  const PicturePtr picture = units.picture(true);
  std::set<std::string> ids;
  for (const auto& id : units.ids()) {
    ids.insert(id);
    const Unit* unit = units.find(id);
    expect(unit != nullptr && unit->is().id == id, "a unit is found by its id", id);
    look_at(*unit);
    if (picture->find(id) != nullptr) {
      expect(units.resolve(id) == id, "a service is called by its id", id);
    }
    for (const auto& other : units.dependents_up(id))
      expect(picture->find(other) != nullptr, "a dependent is listed", other);
    (void)units.goes_down_unlisted(id);
    (void)units.active_triggers(id);
  }
  for (const auto& service : picture->services) {
    expect(ids.contains(service->name), "a service is a unit", service->name);
    look_at(*service, *picture);
  }
  for (const auto& id : units.edited())
    expect(ids.contains(id), "what was edited is known", id);
}

void fuzz_systemd_answer(std::string_view bytes) {
  Units units({"service", "socket"});
  MonoTime now{};
  std::string name;
  Value::List said;
  const auto take = [&] {
    if (name.empty()) return;
    now += Milliseconds(1);
    const auto changed = units.take(name, {Value(std::move(said))}, now);
    said = {};
    expect(!changed || units.find(*changed) != nullptr, "what changed is known");
    look_at(units);
  };
  for (Input input(bytes); !input.empty();) {
    const std::string_view line = input.line();
    const std::size_t equals = line.find('=');
    if (line.starts_with("unit ")) {
      take();
      name = line.substr(5);
    } else if (line.starts_with("forget ")) {
      units.forget(std::string(line.substr(7)));
    } else if (equals != std::string_view::npos && said.size() < 64) {
      said.emplace_back(Value::List{Value(std::string(line.substr(0, equals))),
                                    value_of(line.substr(equals + 1))});
    }
  }
  take();
}

const Registration registered("systemd_answer", fuzz_systemd_answer);

}  // namespace
}  // namespace noforce::fuzz
