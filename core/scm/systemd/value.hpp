// What a D-Bus message says, free of any D-Bus library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace noforce::systemd {

// A value, variants unwrapped. Arrays, structs and dictionary entries are lists; bytes ("ay") are a
// string, and so are object paths and signatures.
class Value {
 public:
  using List = std::vector<Value>;

  Value() = default;
  explicit Value(bool value) : held_(value) {}
  explicit Value(std::int64_t value) : held_(value) {}
  explicit Value(std::uint64_t value) : held_(value) {}
  explicit Value(double value) : held_(value) {}
  explicit Value(std::string value) : held_(std::move(value)) {}
  explicit Value(List value) : held_(std::move(value)) {}

  // What is of another kind than asked for counts as nothing: a manager of another version may say
  // things differently, and what it says is not to be believed blindly either.
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::int64_t integer() const;  // 0 also where it does not fit
  [[nodiscard]] std::uint64_t unsigned_integer() const;
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] const List& list() const;
  [[nodiscard]] std::vector<std::string> texts() const;  // of a list, those that are text
  // The n-th of a list; nothing beyond its end.
  [[nodiscard]] const Value& at(std::size_t n) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, List> held_;
};

}  // namespace noforce::systemd
