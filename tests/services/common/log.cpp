#include "tests/services/common/log.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace services {

void log(const char* format, ...) {
  std::array<char, 1024> text{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);

  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  std::array<char, 32> date{};
  ::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 1100> line{};
  const int length = std::snprintf(line.data(), line.size(), "%s.%03ldZ [%d] %s\n", date.data(),
                                   now.tv_nsec / 1'000'000, ::getpid(), text.data());
  // A full or closed log is no reason to stop serving.
  if (::write(STDOUT_FILENO, line.data(), static_cast<std::size_t>(length)) < 0) return;
}

void die(const char* what) {
  log("%s: %s", what, std::strerror(errno));
  std::exit(EXIT_FAILURE);
}

}  // namespace services
