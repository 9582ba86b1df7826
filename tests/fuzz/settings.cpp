// A settings file: whatever stands in it, it is either settings or a list of mistakes, each with its
// place; and what is accepted here has to be good enough for the keeper.
#include <algorithm>
#include <string>

#include "config/load.hpp"
#include "core/scm/supervisor/protocol.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

void check_mistakes(const config::Mistakes& mistakes, std::string_view text) {
  expect(!mistakes.empty(), "what is refused has a mistake");
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  std::size_t last = 0;
  for (const config::Mistake& mistake : mistakes) {
    const std::string told = config::to_string(mistake);
    expect(mistake.line >= last, "mistakes come in the file's order", told);
    last = mistake.line;
    expect(mistake.line >= 1 && mistake.line <= lines, "a mistake has its line", told);
    expect(mistake.column >= 1 && mistake.column <= text.size() + 1, "a mistake has its column",
           told);
    expect(mistake.sentence.size() > 10, "a mistake is told in a sentence", told);
    expect(clean_text(told, told.size()) == told, "a mistake's sentence moves no cursor", told);
  }
}

void check_settings(const config::Settings& settings) {
  for (const supervisor::ServiceSpec& spec : settings.services) {
    const auto kept = supervisor::decode_spec(supervisor::encode_spec(spec));
    expect(kept.has_value(), "the keeper takes what the settings accept", spec.name);
    expect(*kept == spec, "the keeper understands what the settings say", spec.name);
  }
}

void fuzz_settings(std::string_view input) {
  const auto settings = config::parse(input, "noforce.toml", config::MachineChecks::no);
  if (!settings) return check_mistakes(settings.error(), input);
  check_settings(*settings);
  expect(config::parse(input, "noforce.toml", config::MachineChecks::no) == settings,
         "the same file means the same twice");
}

const Registration registered("settings", fuzz_settings);

}  // namespace
}  // namespace noforce::fuzz
