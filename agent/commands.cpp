#include "agent/commands.hpp"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "agent/system_log.hpp"

namespace noforce::agent {

int report(const Error& error) {
  (void)std::fprintf(stderr, "noforce: %s\n", error.detail.c_str());
  tell_system_log(LogLevel::error, error.detail);  // of a service nobody sees standard error
  return exit_status_of(error.kind);
}

Result<config::Settings> read_settings(const std::string& file, config::MachineChecks checks) {
  std::string path = file;
  if (path.empty() && exists(default_settings())) path = default_settings();
  if (path.empty()) return config::Settings{};
  auto settings = config::load(path, checks);
  if (settings) return std::move(*settings);
  std::string sentence;
  for (const config::Mistake& mistake : settings.error()) {
    sentence += (sentence.empty() ? "" : "\n") + config::to_string(mistake);
  }
  return fail(ErrorKind::malformed, std::move(sentence));
}

Result<StateDir> find_state_dir(const Where& where) {
  if (!where.state_dir.empty()) {
    std::error_code error;
    const auto path = std::filesystem::absolute(where.state_dir, error).lexically_normal();
    return StateDir((path.has_filename() ? path : path.parent_path()).string());
  }
  // Only the place is asked for, maybe by a user who could not run what the settings name.
  auto settings = read_settings(where.config, config::MachineChecks::no);
  if (!settings) return std::unexpected(settings.error());
  return StateDir(settings->server.state_dir);
}

std::optional<std::int64_t> parse_duration(const std::string& text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  constexpr std::int64_t most = 1'000'000'000;
  if (error != std::errc{} || rest + 1 != end || count < 1 || count > most) return std::nullopt;
  switch (*rest) {
    case 's':
      return count;
    case 'm':
      return count * 60;
    case 'h':
      return count * 3600;
    case 'd':
      return count * 86'400;
    case 'w':
      return count * 7 * 86'400;
    default:
      return std::nullopt;
  }
}

}  // namespace noforce::agent
