#include "config/values.hpp"

#include "config/platform.hpp"

namespace noforce::config {

void read(const toml::table& table, std::string_view key, std::string& into) {
  if (const auto* text = table[key].as_string()) into = **text;
}

void read(const toml::table& table, std::string_view key, bool& into) {
  if (const auto* value = table[key].as_boolean()) into = **value;
}

void read(const toml::table& table, std::string_view key, std::size_t& into) {
  const auto* value = table[key].as_integer();
  if (value != nullptr && **value >= 0) into = static_cast<std::size_t>(**value);
}

void read(const toml::table& table, std::string_view key, Seconds& into) {
  if (const auto* value = table[key].as_integer()) into = Seconds(**value);
}

void read(const toml::table& table, std::string_view key, std::vector<std::string>& into) {
  if (const auto* list = table[key].as_array()) into = strings(*list);
}

std::vector<std::string> strings(const toml::array& list) {
  std::vector<std::string> all;
  for (const toml::node& element : list) {
    if (const auto* text = element.as_string()) all.push_back(**text);
  }
  return all;
}

const toml::node& place_of(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  return node != nullptr ? *node : static_cast<const toml::node&>(table);
}

const toml::node& element_of(const toml::table& table, std::string_view key, std::size_t index) {
  const auto* list = table[key].as_array();
  if (list != nullptr && index < list->size()) return *list->get(index);
  return place_of(table, key);
}

void check_absolute(const toml::node& place, std::string_view key, const std::string& path,
                    Report& report) {
  if (is_absolute_path(path)) return;
  report.at(place, "'" + std::string(key) + "' needs an absolute path, and " + shown(path) + " " +
                       why_not_absolute());
}

}  // namespace noforce::config
