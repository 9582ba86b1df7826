// What core has to tell the log. The agent decides where it goes; until it does, nowhere.
//
// The level rule, for the whole house: error: somebody has to do something; warning: somebody will
// have to if it stays so; info: one line for each job's acceptance, beginning and end, and for each
// change of the agent's own state; debug: everything else.
#pragma once

#include <cstdint>
#include <string_view>

namespace noforce {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

// Any thread; never throws; `job` is a ULID or empty.
using LogSink = void (*)(LogLevel level, std::string_view component, std::string_view text,
                         std::string_view job);
void set_log_sink(LogSink sink);

void log_debug(std::string_view component, std::string_view text, std::string_view job = {});
void log_info(std::string_view component, std::string_view text, std::string_view job = {});
void log_warning(std::string_view component, std::string_view text, std::string_view job = {});
void log_error(std::string_view component, std::string_view text, std::string_view job = {});

}  // namespace noforce
