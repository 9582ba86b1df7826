#include "core/log.hpp"

#include <atomic>

namespace noforce {

namespace {

std::atomic<LogSink> the_sink{nullptr};

void write(LogLevel level, std::string_view component, std::string_view text,
           std::string_view job) {
  if (const LogSink sink = the_sink.load(std::memory_order_acquire)) {
    sink(level, component, text, job);
  }
}

}  // namespace

void set_log_sink(LogSink sink) {
  the_sink.store(sink, std::memory_order_release);
}

void log_debug(std::string_view component, std::string_view text, std::string_view job) {
  write(LogLevel::debug, component, text, job);
}

void log_info(std::string_view component, std::string_view text, std::string_view job) {
  write(LogLevel::info, component, text, job);
}

void log_warning(std::string_view component, std::string_view text, std::string_view job) {
  write(LogLevel::warning, component, text, job);
}

void log_error(std::string_view component, std::string_view text, std::string_view job) {
  write(LogLevel::error, component, text, job);
}

}  // namespace noforce
