// Log lines on stdout, each with the time (UTC) and written at once.
#pragma once

namespace services {

[[gnu::format(printf, 1, 2)]] void log(const char* format, ...);

// Logs what failed, with errno's text, and ends the program with status 1.
[[noreturn]] void die(const char* what);

}  // namespace services
