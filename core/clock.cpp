#include "core/clock.hpp"

#include <algorithm>
#include <cstdio>

namespace noforce {
namespace {

class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonoTime mono() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  }
};

// What four digits of a year can say.
constexpr WallTime first_time = std::chrono::sys_days{std::chrono::year{0} / 1 / 1};
constexpr WallTime last_time =
    std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + Milliseconds{86'399'999};

// Reads what is left of a time stamp, piece by piece; after the first misfit everything fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t n = 0; n < digits; ++n) {
      const char c = take();
      if (c < '0' || c > '9') good_ = false;
      value = value * 10 + (c - '0');
    }
    return good_ ? value : 0;
  }
  char one_of(std::string_view allowed) {
    const char c = take();
    if (c == '\0' || allowed.find(c) == std::string_view::npos) good_ = false;
    return good_ ? c : '\0';
  }
  // The digits after a point, as milliseconds; finer ones are dropped.
  int fraction() {
    if (rest_.empty() || rest_.front() != '.') return 0;
    take();
    int value = 0;
    std::size_t digits = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; ++digits) {
      const char c = take();
      if (digits < 3) value = value * 10 + (c - '0');
    }
    if (digits == 0) good_ = false;
    for (; digits < 3; ++digits)
      value *= 10;
    return value;
  }
  [[nodiscard]] bool complete() const { return good_ && rest_.empty(); }

 private:
  char take() {
    if (rest_.empty()) {
      good_ = false;
      return '\0';
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string to_rfc3339(WallTime time) {
  time = std::clamp(time, first_time, last_time);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[48];
  const int length = std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text, static_cast<std::size_t>(length)};
}

std::optional<WallTime> from_rfc3339(std::string_view text) {
  Reader read(text);
  const int year = read.number(4);
  read.one_of("-");
  const int month = read.number(2);
  read.one_of("-");
  const int day = read.number(2);
  read.one_of("Tt");
  const int hour = read.number(2);
  read.one_of(":");
  const int minute = read.number(2);
  read.one_of(":");
  const int second = read.number(2);
  const int millisecond = read.fraction();
  const char sign = read.one_of("Zz+-");
  int offset_minutes = 0;
  if (sign == '+' || sign == '-') {
    const int hours = read.number(2);
    read.one_of(":");
    const int minutes = read.number(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    offset_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  // 60 is a leap second; it counts as the first of the next minute, as in POSIX time.
  if (!read.complete() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return WallTime{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
         std::chrono::minutes{minute - offset_minutes} + Seconds{second} +
         Milliseconds{millisecond};
}

std::string in_seconds(Milliseconds time) {
  const auto count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace noforce
