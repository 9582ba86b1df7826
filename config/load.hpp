// Reading the settings: a TOML file to typed Settings, or every mistake in it at once.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace noforce::config {

inline constexpr std::size_t largest_file = 1U << 20U;

struct Mistake {
  std::string file;
  std::size_t line = 0;    // from 1; 0: the file as a whole
  std::size_t column = 0;  // from 1
  std::string sentence;    // what is wrong, and what would be right

  bool operator==(const Mistake&) const = default;
};

using Mistakes = std::vector<Mistake>;  // never empty where it is an error; in the file's order

// "noforce.toml:12:1: unknown key 'lisen' in [server]; did you mean 'listen'?"
[[nodiscard]] std::string to_string(const Mistake& mistake);

enum class MachineChecks : bool { no, yes };

// `file` names the text in mistakes, and relative paths start from its directory. With
// MachineChecks::yes users and hook programs have to exist here.
[[nodiscard]] std::expected<Settings, Mistakes> parse(std::string_view text,
                                                      const std::string& file,
                                                      MachineChecks checks = MachineChecks::yes);

// The same for a file of at most largest_file bytes. Settings with services or hooks are refused
// when others than root and the agent's user could have written them.
[[nodiscard]] std::expected<Settings, Mistakes> load(const std::string& file,
                                                     MachineChecks checks = MachineChecks::yes);

// A mistake that shows only when a setting is used: at the place of this key, or for the file as a
// whole where it is not in it.
[[nodiscard]] Mistake mistake_at(const std::string& file, std::string_view section,
                                 std::string_view key, std::string sentence);

}  // namespace noforce::config
