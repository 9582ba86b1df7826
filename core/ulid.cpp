#include "core/ulid.hpp"

#include <algorithm>
#include <optional>

#include "core/digest.hpp"

namespace noforce {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t text_length = 26;
constexpr std::size_t time_bytes = 6;

std::string encode(const Bytes& bytes) {
  std::string text(text_length, '0');
  // 130 bits of text for 128 of value: two leading zeros, then five bits a character.
  unsigned pending = 0;
  int bits = 2;
  std::size_t at = 0;
  for (const std::uint8_t byte : bytes) {
    pending = (pending << 8) | byte;
    for (bits += 8; bits >= 5;) {
      bits -= 5;
      text[at++] = alphabet[(pending >> bits) & 31];
    }
  }
  return text;
}

std::optional<Bytes> decode(std::string_view text) {
  if (text.size() != text_length || text.front() > '7') return std::nullopt;
  Bytes bytes{};
  unsigned pending = 0;
  int bits = -2;
  std::size_t at = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    pending = (pending << 5) | static_cast<unsigned>(value);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = static_cast<std::uint8_t>(pending >> bits);
    }
  }
  return bytes;
}

// The time's part alone; the rest is zero.
Bytes bytes_at(WallTime time) {
  const auto since_epoch = std::max<std::int64_t>(time.time_since_epoch().count(), 0);
  const auto milliseconds = static_cast<std::uint64_t>(since_epoch);
  Bytes bytes{};
  for (std::size_t n = 0; n < time_bytes; ++n) {
    bytes[n] = static_cast<std::uint8_t>(milliseconds >> (8 * (time_bytes - 1 - n)));
  }
  return bytes;
}

void increment(Bytes& bytes) {
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    if (++*byte != 0) return;
  }
}

}  // namespace

std::string UlidSource::next() {
  Bytes fresh = bytes_at(clock_.wall());
  const MutexLock lock(mutex_);
  if (std::equal(fresh.begin(), fresh.begin() + time_bytes, last_.begin()) || fresh < last_) {
    increment(last_);
  } else {
    const std::string random = random_bytes(fresh.size() - time_bytes);
    std::copy(random.begin(), random.end(), fresh.begin() + time_bytes);
    last_ = fresh;
  }
  return encode(last_);
}

void UlidSource::start_after(std::string_view ulid) {
  const auto bytes = decode(ulid);
  if (!bytes) return;
  const MutexLock lock(mutex_);
  last_ = std::max(last_, *bytes);
}

std::string first_ulid_at(WallTime time) {
  return encode(bytes_at(time));
}

bool is_ulid(std::string_view text) {
  return decode(text).has_value();
}

}  // namespace noforce
