#include "core/scm/supervisor/fields.hpp"

namespace noforce::supervisor {
namespace {

constexpr std::size_t kHeadSize = 5;

}  // namespace

void FieldWriter::head(std::uint8_t tag, std::size_t length) {
  bytes_ += static_cast<char>(tag);
  for (int shift = 0; shift < 32; shift += 8) {
    bytes_ += static_cast<char>((length >> shift) & 0xff);
  }
}

FieldWriter& FieldWriter::number(std::uint8_t tag, std::uint64_t value) {
  head(tag, sizeof value);
  for (int shift = 0; shift < 64; shift += 8) {
    bytes_ += static_cast<char>((value >> shift) & 0xff);
  }
  return *this;
}

FieldWriter& FieldWriter::text(std::uint8_t tag, std::string_view value) {
  head(tag, value.size());
  bytes_ += value;
  return *this;
}

std::uint64_t Field::number() const {
  if (bytes.size() != sizeof(std::uint64_t)) return 0;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

std::optional<Field> FieldReader::next() {
  if (rest_.empty() || !well_formed_) return std::nullopt;
  if (rest_.size() < kHeadSize) {
    well_formed_ = false;
    return std::nullopt;
  }
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    length |= std::uint32_t{static_cast<unsigned char>(rest_[1 + i])} << (8 * i);
  }
  if (length > rest_.size() - kHeadSize) {
    well_formed_ = false;
    return std::nullopt;
  }
  const Field field{.tag = static_cast<std::uint8_t>(rest_[0]),
                    .bytes = rest_.substr(kHeadSize, length)};
  rest_.remove_prefix(kHeadSize + length);
  return field;
}

std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char byte : bytes) {
    sum ^= static_cast<unsigned char>(byte);
    sum *= 0x100000001b3U;
  }
  return sum;
}

}  // namespace noforce::supervisor
