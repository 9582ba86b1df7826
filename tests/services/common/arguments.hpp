// Command lines of the form `--key value --key value`.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace services {

class Arguments {
 public:
  // Ends the program with status 2 and a line that names the known keys when it is given another
  // key or a key without a value.
  Arguments(int argc, char** argv, std::initializer_list<std::string_view> known);

  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise = {}) const;
  // Ends the program with status 2 when the value is no whole number.
  [[nodiscard]] long number(std::string_view key, long otherwise) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// Whole decimal number, -1 for anything else.
[[nodiscard]] long to_number(std::string_view text);

}  // namespace services
