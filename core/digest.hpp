// SHA-256 and randomness, from OpenSSL.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace noforce {

// 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);
// `count` bytes from the system's generator; ends the process when there is none to be had.
[[nodiscard]] std::string random_bytes(std::size_t count);
[[nodiscard]] std::string to_hex(std::string_view bytes);
// RFC 4648 base64url without padding.
[[nodiscard]] std::string to_base64url(std::string_view bytes);
// Overwrites a secret, also where the compiler sees that nobody reads it any more.
void wipe(std::string& secret);
// Wipes a secret at the end of its scope; the string has to outlive this.
class Wiped {
 public:
  explicit Wiped(std::string& secret) : secret_(secret) {}
  ~Wiped() { wipe(secret_); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  std::string& secret_;
};
// Takes as long whatever the content; false for different lengths.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace noforce
