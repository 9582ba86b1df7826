// Where the log goes: one line an event, `time level=... from=COMPONENT msg="..." key=value ...`,
// with job=ULID where a job is meant. Where standard error is journald's, it gets the same as fields
// (journald.hpp). The rule of levels stands in core/log.hpp.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/log.hpp"

namespace spdlog {
class logger;
}

namespace noforce::agent {

// Code points of a value, wherever a line goes.
inline constexpr std::size_t longest_log_value = 1000;

struct LogField {
  std::string_view key;
  std::string value;
};

// Empty `file`: standard error, as before this is called. From then on core's lines go there too.
[[nodiscard]] Result<void> open_log(LogLevel level, const std::string& file);
// The same in two steps, for a reload: what can fail, and then what cannot. A file is opened by its
// name, so that one that was moved away is left behind. Any thread.
[[nodiscard]] Result<std::shared_ptr<spdlog::logger>> open_log_file(const std::string& file);
void use_log_file(std::shared_ptr<spdlog::logger> file, LogLevel level);
// Any thread. The text is ours; values are cleaned and quoted where they need it.
void log(LogLevel level, std::string_view text, std::initializer_list<LogField> fields = {});

// `key=value`, quoted where the value has blanks, quotes or nothing; control characters escaped.
[[nodiscard]] std::string log_field(const LogField& field);

}  // namespace noforce::agent
