// The names of an enumeration's values, as they are written in JSON, settings and the journal: one
// constexpr table a type, read in both directions.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

namespace noforce {

template <typename E>
struct Named {
  E value;
  std::string_view text;
};

// The table's n-th entry names the value n; `E` counts from 0 without holes. The compiler refuses a
// table out of order, one that ends before `last`, and one with a name twice.
template <typename E, std::size_t N>
class Names {
 public:
  consteval Names(E last, const Named<E> (&entries)[N]) {
    if (index(last) + 1 != N) throw "the table does not end with the enumeration's last value";
    for (std::size_t n = 0; n < N; ++n) {
      if (index(entries[n].value) != n) throw "the table is not in the enumeration's order";
      for (std::size_t before = 0; before < n; ++before) {
        if (entries[before].text == entries[n].text) throw "a name stands for two values";
      }
      texts_[n] = entries[n].text;
    }
  }

  // "unknown" for what is no value of E.
  [[nodiscard]] constexpr std::string_view text(E value) const {
    return index(value) < N ? texts_[index(value)] : "unknown";
  }

  [[nodiscard]] constexpr std::optional<E> value(std::string_view text) const {
    for (std::size_t n = 0; n < N; ++n) {
      if (texts_[n] == text) return static_cast<E>(n);
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t index(E value) {
    return static_cast<std::size_t>(static_cast<std::underlying_type_t<E>>(value));
  }

  std::array<std::string_view, N> texts_{};
};

template <typename E, std::size_t N>
consteval Names<E, N> names_of(E last, const Named<E> (&entries)[N]) {
  return Names<E, N>(last, entries);
}

}  // namespace noforce
