// Writes JSON text straight into a string, in the order in which it is called.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace noforce::api {

class JsonWriter {
 public:
  explicit JsonWriter(std::size_t expected = 512) { out_.reserve(expected); }

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  // `name` is ours and needs no escaping.
  JsonWriter& key(std::string_view name);
  // Text that is not UTF-8 is cleaned.
  JsonWriter& string(std::string_view text);
  JsonWriter& string_or_null(std::string_view text) { return text.empty() ? null() : string(text); }
  JsonWriter& integer(std::int64_t value);
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  // JSON that was written before.
  JsonWriter& raw(std::string_view json);

  JsonWriter& time(WallTime time) { return string(to_rfc3339(time)); }
  JsonWriter& time(const std::optional<WallTime>& at) { return at ? time(*at) : null(); }
  template <std::integral Integer>
  JsonWriter& integer(const std::optional<Integer>& value) {
    return value ? integer(static_cast<std::int64_t>(*value)) : null();
  }
  JsonWriter& milliseconds(const std::optional<Milliseconds>& value) {
    return value ? integer(value->count()) : null();
  }
  template <typename Texts>
  JsonWriter& strings(const Texts& texts) {
    begin_array();
    for (const auto& text : texts)
      string(text);
    return end_array();
  }

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] const std::string& text() const& { return out_; }
  [[nodiscard]] std::string&& text() && { return std::move(out_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string out_;
  bool comma_ = false;  // a value stands before this place
};

}  // namespace noforce::api
