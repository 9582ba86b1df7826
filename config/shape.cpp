#include "config/shape.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "config/names.hpp"
#include "config/schema.hpp"
#include "core/text.hpp"

namespace noforce::config {
namespace {

constexpr std::size_t longest_name = 80;  // of a table in a sentence

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

std::string_view wanted_name(ValueType type) {
  switch (type) {
    case ValueType::text:
    case ValueType::choice:
      return R"(a string, "...")";
    case ValueType::integer:
      return "an integer";
    case ValueType::boolean:
      return "true or false";
    case ValueType::texts:
      return R"(an array of strings, ["...", "..."])";
    case ValueType::commands:
      return R"(an array of commands, [["/program", "argument"]])";
    case ValueType::section:
      return "a table, { ... }";
    case ValueType::map:
      return R"(a table of strings, { NAME = "..." })";
    case ValueType::limits:
      return "a table of numbers, { nofile = 4096 }";
  }
  return "something else";
}

class Shape {
 public:
  explicit Shape(Report& report) : report_(report) {}

  void root(const toml::table& root) {
    for (const auto& [key, node] : root) {
      const Section* section = find_section(key.str());
      if (section == nullptr || section->kind == SectionKind::inner) {
        unknown_section(key);
        continue;
      }
      switch (section->kind) {
        case SectionKind::table:
          one_table(*section, node);
          break;
        case SectionKind::list:
          list_of_tables(*section, node);
          break;
        case SectionKind::named:
          named_tables(*section, node);
          break;
        case SectionKind::inner:
          break;
      }
    }
  }

 private:
  void unknown_section(const toml::key& key) {
    std::vector<std::string> known;
    for (const Section& section : sections()) {
      if (section.kind != SectionKind::inner) known.emplace_back(section.path);
    }
    std::string sentence = "unknown section " + shown(key.str());
    if (const std::string near = hint(key.str(), known); !near.empty()) {
      sentence += near;
    } else {
      sentence += "; there are " + joined(known, " and ");
    }
    report_.at(key.source(), std::move(sentence));
  }

  void one_table(const Section& section, const toml::node& node) {
    const std::string name = "[" + std::string(section.path) + "]";
    if (const auto* table = node.as_table()) return keys_of(*table, section.path, name);
    report_.at(node, shown(section.path) + " has to be a table: write " + name);
  }

  void list_of_tables(const Section& section, const toml::node& node) {
    const std::string name = "[[" + std::string(section.path) + "]]";
    const auto* list = node.as_array();
    if (list == nullptr) {
      report_.at(node,
                 "there may be several of '" + std::string(section.path) + "': write " + name);
      return;
    }
    for (const toml::node& element : *list) {
      if (const auto* table = element.as_table()) {
        keys_of(*table, section.path, name);
      } else {
        report_.at(element, "each of " + name + " has to be a table");
      }
    }
  }

  void named_tables(const Section& section, const toml::node& node) {
    const std::string name = "[" + std::string(section.path) + ".\"NAME\"]";
    const auto* tables = node.as_table();
    if (tables == nullptr) return report_.at(node, "write " + name);
    for (const auto& [key, element] : *tables) {
      if (const auto* table = element.as_table()) {
        keys_of(
            *table, section.path,
            "[" + std::string(section.path) + ".\"" + clean_text(key.str(), longest_name) + "\"]");
      } else {
        report_.at(key.source(), "'" + std::string(section.path) + "' goes by service: write " +
                                     name + " and below it " + shown(key.str()));
      }
    }
  }

  void keys_of(const toml::table& table, std::string_view section, const std::string& name) {
    for (const auto& [key, node] : table) {
      const Key* known = find_key(section, key.str());
      if (known == nullptr) {
        const std::vector<std::string> names = key_names(section);
        std::string sentence = "unknown key " + shown(key.str()) + " in " + name;
        const std::string near = hint(key.str(), names);
        sentence += near.empty() ? "; known are " + joined(names, " and ") : near;
        report_.at(key.source(), std::move(sentence));
        continue;
      }
      value(*known, node, name);
    }
    for (const Key& known : keys()) {
      if (known.section == section && known.required && !table.contains(known.name)) {
        report_.at(table, name + " needs '" + std::string(known.name) +
                              "': " + std::string(known.meaning));
      }
    }
  }

  void value(const Key& key, const toml::node& node, const std::string& name) {
    switch (key.type) {
      case ValueType::text:
        if (const auto* text = node.as_string()) return plain_text(key.name, **text, node);
        break;
      case ValueType::choice:
        if (const auto* text = node.as_string()) return choice(key, **text, node);
        break;
      case ValueType::integer:
        if (const auto* number = node.as_integer()) return integer(key, **number, node);
        break;
      case ValueType::boolean:
        if (node.is_boolean()) return;
        break;
      case ValueType::texts:
        if (const auto* list = node.as_array()) return texts(key, *list);
        break;
      case ValueType::commands:
        if (const auto* list = node.as_array()) {
          for (const toml::node& command : *list) {
            const auto* argv = command.as_array();
            if (argv == nullptr) {
              wrong_type(key, command);
            } else {
              texts(key, *argv);
            }
          }
          return;
        }
        break;
      case ValueType::section:
        if (const auto* table = node.as_table()) {
          return keys_of(*table, std::string(key.section) + "." + std::string(key.name),
                         "'" + std::string(key.name) + "' of " + name);
        }
        break;
      case ValueType::map:
        if (const auto* table = node.as_table()) return map(key, *table);
        break;
      case ValueType::limits:
        if (node.is_table()) return;  // the loader looks inside
        break;
    }
    wrong_type(key, node);
  }

  void wrong_type(const Key& key, const toml::node& node) {
    report_.at(node, "'" + std::string(key.name) + "' has to be " +
                         std::string(wanted_name(key.type)) + ", not " +
                         std::string(type_name(node)));
  }

  void plain_text(std::string_view name, std::string_view text, const toml::node& node) {
    if (has_control_characters(text)) {
      report_.at(node, "'" + std::string(name) + "' may not contain control characters");
    }
  }

  void choice(const Key& key, std::string_view text, const toml::node& node) {
    const std::vector<std::string> choices = split_choices(key.choices);
    if (std::ranges::find(choices, text) != choices.end()) return;
    report_.at(node, "'" + std::string(key.name) + "' is " + joined(choices) + ", not " +
                         shown(text) + hint(text, choices));
  }

  void integer(const Key& key, std::int64_t number, const toml::node& node) {
    if (number >= key.least && number <= key.most) return;
    report_.at(node, "'" + std::string(key.name) + "' goes from " + std::to_string(key.least) +
                         " to " + std::to_string(key.most) + ", and " + std::to_string(number) +
                         " is outside");
  }

  void texts(const Key& key, const toml::array& list) {
    for (const toml::node& element : list) {
      const auto* text = element.as_string();
      if (text == nullptr) {
        wrong_type(key, element);
      } else if ((**text).find('\0') != std::string::npos) {
        report_.at(element, "'" + std::string(key.name) + "' may not contain a NUL character");
      }
    }
  }

  void map(const Key& key, const toml::table& table) {
    for (const auto& [name, element] : table) {
      const auto* text = element.as_string();
      if (text == nullptr) {
        report_.at(element, shown(name.str()) + " in '" + std::string(key.name) +
                                "' has to be a string, \"...\", not " +
                                std::string(type_name(element)));
      } else if ((**text).find('\0') != std::string::npos) {
        report_.at(element, shown(name.str()) + " may not contain a NUL character");
      }
    }
  }

  Report& report_;
};

}  // namespace

void check_shape(const toml::table& root, Report& report) {
  Shape(report).root(root);
}

}  // namespace noforce::config
