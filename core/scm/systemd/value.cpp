#include "core/scm/systemd/value.hpp"

#include <limits>

namespace noforce::systemd {
namespace {

const std::string kNoText;
const Value::List kNoList;
const Value kNothing;

}  // namespace

bool Value::boolean() const {
  const bool* value = std::get_if<bool>(&held_);
  return value != nullptr && *value;
}

std::int64_t Value::integer() const {
  if (const auto* value = std::get_if<std::int64_t>(&held_)) return *value;
  const auto* value = std::get_if<std::uint64_t>(&held_);
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  return value != nullptr && *value <= most ? static_cast<std::int64_t>(*value) : 0;
}

std::uint64_t Value::unsigned_integer() const {
  if (const auto* value = std::get_if<std::uint64_t>(&held_)) return *value;
  const auto* value = std::get_if<std::int64_t>(&held_);
  return value != nullptr && *value > 0 ? static_cast<std::uint64_t>(*value) : 0;
}

const std::string& Value::text() const {
  const auto* value = std::get_if<std::string>(&held_);
  return value == nullptr ? kNoText : *value;
}

const Value::List& Value::list() const {
  const auto* value = std::get_if<List>(&held_);
  return value == nullptr ? kNoList : *value;
}

std::vector<std::string> Value::texts() const {
  std::vector<std::string> out;
  for (const auto& each : list()) {
    if (std::holds_alternative<std::string>(each.held_)) out.push_back(each.text());
  }
  return out;
}

const Value& Value::at(std::size_t n) const {
  return n < list().size() ? list()[n] : kNothing;
}

}  // namespace noforce::systemd
