// The values in a table of TOML, and where they stand.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/report.hpp"
#include "config/toml.hpp"
#include "core/clock.hpp"

namespace noforce::config {

// What is missing, or has a shape that check_shape() refuses, leaves `into` as it was.
void read(const toml::table& table, std::string_view key, std::string& into);
void read(const toml::table& table, std::string_view key, bool& into);
void read(const toml::table& table, std::string_view key, std::size_t& into);
void read(const toml::table& table, std::string_view key, Seconds& into);
void read(const toml::table& table, std::string_view key, std::vector<std::string>& into);

// A word that is none of the choices leaves it, too.
template <typename Choice>
void read(const toml::table& table, std::string_view key, Choice& into,
          std::initializer_list<std::pair<std::string_view, Choice>> choices) {
  const auto* text = table[key].as_string();
  if (text == nullptr) return;
  for (const auto& [name, choice] : choices) {
    if (**text == name) into = choice;
  }
}

// Without what is no string.
[[nodiscard]] std::vector<std::string> strings(const toml::array& list);

// Calls read_one(table) for each [[section]], in the file's order.
template <typename Read>
void for_each_table(const toml::table& root, std::string_view section, Read read_one) {
  const auto* list = root[section].as_array();
  if (list == nullptr) return;
  for (const toml::node& element : *list) {
    if (const auto* table = element.as_table()) read_one(*table);
  }
}

// The node of a key, or the table itself where it is missing: a place for a mistake.
[[nodiscard]] const toml::node& place_of(const toml::table& table, std::string_view key);
// The same for an element of the key's array.
[[nodiscard]] const toml::node& element_of(const toml::table& table, std::string_view key,
                                           std::size_t index);

// Reports a path that is not absolute.
void check_absolute(const toml::node& place, std::string_view key, const std::string& path,
                    Report& report);

}  // namespace noforce::config
