#include <cstdio>
#include <filesystem>
#include <string>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "core/journal_backup.hpp"

namespace noforce::agent {

int backup(const Where& where, const std::string& file) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  // Root opens nothing where another user could have put a link.
  if (exists(state->path())) {
    if (auto own = prepare_private_directory(state->path()); !own) return report(own.error());
  }
  const std::string target = std::filesystem::absolute(file).lexically_normal().string();
  const auto copy = copy_journal(state->journal(), target);
  if (!copy) {
    const int status = report(copy.error());
    return copy.error().kind == ErrorKind::already_done ? exit_refused : status;
  }
  (void)std::printf(
      "%s: %llu jobs (%llu unfinished) and %llu audit rows, as of %s; checked, nothing is damaged\n"
      "To restore it: end the agent, move %s* away, copy the file to %s, start the agent.\n",
      target.c_str(), static_cast<unsigned long long>(copy->jobs),
      static_cast<unsigned long long>(copy->unfinished),
      static_cast<unsigned long long>(copy->audit.rows), to_rfc3339(copy->at).c_str(),
      state->journal().c_str(), state->journal().c_str());
  return exit_ok;
}

}  // namespace noforce::agent
