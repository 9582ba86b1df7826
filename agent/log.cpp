#include "agent/log.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "agent/files.hpp"
#include "agent/system_log.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "core/thread_safety.hpp"

namespace noforce::agent {
namespace {

constexpr const char* standard_error = "stderr";

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "info";
}

// Every line is flushed: the last one before a crash is the one that is wanted.
std::shared_ptr<spdlog::logger> make_logger(const char* name, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// Writes to what was looked at and opened, whatever has its name by now.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(File file) : file_(std::move(file)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) {
      throw spdlog::spdlog_ex("cannot write the log", errno);
    }
  }
  void flush_() override {
    if (std::fflush(file_.get()) != 0) throw spdlog::spdlog_ex("cannot write the log", errno);
  }

  const File file_;
};

std::shared_ptr<spdlog::logger> log_to_standard_error() {
  return make_logger(standard_error, std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

// The logger that counts now; a reload puts another in its place.
class CurrentLogger {
 public:
  [[nodiscard]] std::shared_ptr<spdlog::logger> get() {
    const MutexLock lock(mutex_);
    return logger_;
  }
  void set(std::shared_ptr<spdlog::logger> logger) {
    const MutexLock lock(mutex_);
    logger_ = std::move(logger);
  }

 private:
  Mutex mutex_;
  std::shared_ptr<spdlog::logger> logger_ NOFORCE_GUARDED_BY(mutex_) = log_to_standard_error();
};

CurrentLogger& the_logger() {
  static CurrentLogger logger;
  return logger;
}

void write(LogLevel level, std::string_view from, std::string_view text,
           std::initializer_list<LogField> fields) {
  const std::shared_ptr<spdlog::logger> logger = the_logger().get();
  if (!logger->should_log(to_spdlog(level))) return;
  if (logger->name() == standard_error &&
      keep_in_system_log({.level = level, .from = from, .text = text, .fields = fields})) {
    return;
  }
  std::string line = to_rfc3339(system_clock().wall()) + " level=" + std::string(name_of(level)) +
                     " from=" + std::string(from) + " " +
                     log_field({.key = "msg", .value = std::string(text)});
  for (const LogField& field : fields) {
    line += " " + log_field(field);
  }
  logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
  if (level == LogLevel::warning || level == LogLevel::error) tell_system_log(level, line);
}

void write_for_core(LogLevel level, std::string_view component, std::string_view text,
                    std::string_view job) {
  try {
    if (job.empty()) {
      write(level, component, text, {});
    } else {
      write(level, component, text, {{.key = "job", .value = std::string(job)}});
    }
  } catch (const std::exception&) {
    (void)std::fputs("noforce: a line of the log is lost\n", stderr);
  }
}

}  // namespace

Result<std::shared_ptr<spdlog::logger>> open_log_file(const std::string& file) {
  try {
    if (file.empty()) return log_to_standard_error();
    auto opened = open_log_safely(file);
    if (!opened) {
      opened.error().detail = "cannot open the log: " + opened.error().detail;
      return std::unexpected(opened.error());
    }
    return make_logger("file", std::make_shared<FileSink>(std::move(*opened)));
  } catch (const spdlog::spdlog_ex& problem) {
    return fail(ErrorKind::access_denied,
                "cannot open the log: " + clean_text(problem.what(), 300));
  }
}

void use_log_file(std::shared_ptr<spdlog::logger> file, LogLevel level) {
  file->set_level(to_spdlog(level));
  the_logger().set(std::move(file));
}

Result<void> open_log(LogLevel level, const std::string& file) {
  auto opened = open_log_file(file);
  if (!opened) return std::unexpected(opened.error());
  use_log_file(std::move(*opened), level);
  set_log_sink(&write_for_core);
  return {};
}

void log(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  write(level, "agent", text, fields);
}

std::string log_field(const LogField& field) {
  const std::string value = clean_text(field.value, longest_log_value);
  std::string out = std::string(field.key) + "=";
  const bool plain = !value.empty() && value.find_first_of(" \"=\\") == std::string::npos;
  if (plain) return out + value;
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace noforce::agent
