// Tagged fields: how the keeper's messages and its records are written. A field is a tag (1 byte),
// a length (4 bytes, little endian) and that many bytes; numbers are 8 bytes, little endian. A
// reader skips tags that it does not know, so an older and a newer program understand each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace noforce::supervisor {

class FieldWriter {
 public:
  FieldWriter& number(std::uint8_t tag, std::uint64_t value);
  FieldWriter& text(std::uint8_t tag, std::string_view value);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  void head(std::uint8_t tag, std::size_t length);

  std::string bytes_;
};

struct Field {
  std::uint8_t tag = 0;
  std::string_view bytes;  // of the reader's input

  [[nodiscard]] std::string text() const { return std::string(bytes); }
  // 0 when the field does not hold 8 bytes.
  [[nodiscard]] std::uint64_t number() const;
  [[nodiscard]] std::int64_t signed_number() const { return static_cast<std::int64_t>(number()); }
};

// Reads what a FieldWriter wrote. Any input is safe.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  // The next field; nothing at the end, and at the first one that is cut short.
  [[nodiscard]] std::optional<Field> next();
  // False once a field was cut short.
  [[nodiscard]] bool well_formed() const { return well_formed_; }

 private:
  std::string_view rest_;
  bool well_formed_ = true;
};

// FNV-1a, 64 bits: tells a torn record from a whole one and one definition from another. No
// protection against malice: whoever can write the state directory is the agent.
[[nodiscard]] std::uint64_t checksum(std::string_view bytes);

}  // namespace noforce::supervisor
