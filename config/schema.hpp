// The table of all settings: it drives the check for unknown keys and wrong types, the hint to the
// nearest known key, and the test that holds config/noforce.toml to it.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace noforce::config {

enum class SectionKind : std::uint8_t {
  table,  // [server]
  list,   // [[service]]
  named,  // [policy."NAME"]
  inner,  // verify = { ... } within another section
};

struct Section {
  std::string_view path;  // "server", "service", "policy", "policy.verify"
  SectionKind kind = SectionKind::table;
  std::string_view meaning;
};

enum class ValueType : std::uint8_t {
  text,      // "..."
  choice,    // one of `choices`
  integer,   // `least`..`most`
  boolean,   // true, false
  texts,     // ["...", "..."]
  commands,  // [["/program", "argument"], ...]
  section,   // the inner section "<section>.<name>"
  map,       // { NAME = "..." }: names are free
  limits,    // { nofile = 4096 }: names are checked by the loader
};

struct Key {
  std::string_view section;
  std::string_view name;
  ValueType type = ValueType::text;
  std::string_view fallback;  // the default as TOML writes it; empty: there is none
  std::string_view meaning;
  std::string_view choices = {};  // "system|user"
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  bool required = false;
};

// In the order in which the sample shows them.
[[nodiscard]] std::span<const Section> sections();
[[nodiscard]] std::span<const Key> keys();

[[nodiscard]] const Section* find_section(std::string_view path);
[[nodiscard]] const Key* find_key(std::string_view section, std::string_view name);
[[nodiscard]] std::vector<std::string> key_names(std::string_view section);
[[nodiscard]] std::vector<std::string> split_choices(std::string_view choices);

// The candidate that somebody who typed this most likely meant; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view typed,
                                  const std::vector<std::string>& candidates);

}  // namespace noforce::config
