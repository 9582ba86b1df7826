// What the fuzz targets are made of. A target is one function over any bytes: it ends the process
// when a sanitizer finds something, when it takes too long, or when one of its expectations does not
// hold. Everything else that the bytes may bring about is fine.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace noforce::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view input) = nullptr;
};

// One object of it at namespace scope makes a target known to what runs it (engine/).
class Registration {
 public:
  Registration(std::string_view name, void (*run)(std::string_view input));
};
[[nodiscard]] const std::vector<Target>& targets();

// Where it does not hold: prints the sentence, and what it is about, and ends the process.
void expect(bool holds, std::string_view sentence, std::string_view about = {});

// Takes an input apart; what is no longer there is zero or empty.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] std::uint8_t byte();
  [[nodiscard]] bool flag() { return (byte() & 1) != 0; }
  [[nodiscard]] std::uint64_t number();  // 8 bytes
  // As many bytes as the next one says.
  [[nodiscard]] std::string_view text();
  // Up to the next newline, which is left out.
  [[nodiscard]] std::string_view line();
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view take(std::size_t count);

  std::string_view rest_;
};

}  // namespace noforce::fuzz
