// The agent's side of the keeper's life: find it, or start one that does not depend on the agent.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/fd.hpp"

namespace noforce::supervisor {

// How the sentence of a keeper begins that found another one on its state directory.
inline constexpr std::string_view kAnotherKeeper = "another keeper runs";

// Asks whoever may do so to see to it that a keeper runs, with the present definitions; why it does
// not.
using SeeToKeeper = std::function<std::expected<void, std::string>()>;

// A connection to the keeper of this state directory; errno when none listens.
[[nodiscard]] std::expected<Fd, int> connect_keeper(const std::string& state_dir);

// Whether that process runs another program than this one, which still lies at `executable`. False
// where that cannot be seen, and where another file lies there by now: then that one is newer.
[[nodiscard]] bool runs_other_program(std::int64_t pid, const std::string& executable);
// Where `executable` lies, for another process: without symbolic links.
[[nodiscard]] std::string program_path(const std::string& executable);

// Starts `executable args...` in a session of its own, as a child of nobody, and waits until it
// says that it listens. The sentence why not: its own, or that it took longer than `patience`, or
// that `cancel` became readable.
[[nodiscard]] std::expected<void, std::string> start_keeper(const std::string& executable,
                                                            const std::vector<std::string>& args,
                                                            const std::string& state_dir,
                                                            int cancel, Milliseconds patience);

}  // namespace noforce::supervisor
