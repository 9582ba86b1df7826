// What the keeper must still know after it was killed: one file a service, `keeper/NAME.run`.
//
// The file has two slots of fixed size, reserved when the service is defined, and each save goes
// to the slot that is not the newest. So a save is a single pwrite: cheap enough to stand in front
// of each effect, it needs no free disk (a full one must not forbid the starts that restore), and
// a keeper killed in the middle of it leaves the other slot whole.
//
// There is no fsync, on purpose. What the page cache holds survives the death of any process, and
// a record is only good for the boot that wrote it: after a power cut the boot id differs and all
// that the record says of processes is void.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fd.hpp"
#include "core/scm/port.hpp"
#include "core/service.hpp"

namespace noforce::supervisor {

// A process, told from later ones with the same pid by its start time (field 22 of /proc/PID/stat).
struct ProcessId {
  std::int64_t pid = 0;  // 0: none
  std::uint64_t start_time = 0;

  bool operator==(const ProcessId&) const = default;
};

// A control that came with this token, and what was answered.
struct TokenRecord {
  ControlToken token;
  ControlOp op = ControlOp::stop;
  // False from just before the effect until it is known: found like this by the next keeper, the
  // effect may or may not have happened.
  bool answered = false;
  Result<void> result;

  bool operator==(const TokenRecord&) const = default;
};

inline constexpr std::size_t kTokensKept = 8;

struct Record {
  std::string boot;  // of the process; another boot's is void
  ServiceState state = ServiceState::stopped;
  ProcessId main;
  std::string key;             // Instance::key of this run, or of the last
  bool executed = false;       // the program was exec'ed
  bool said_ready = false;     // READY=1
  bool tcp_ready = false;      // the agent saw ready_tcp accept
  bool stop_asked = false;     // no restart policy after this
  bool restart_due = false;    // stopped, and the restart policy will start it again
  std::uint32_t failures = 0;  // starts by the restart policy without a good run in between
  std::uint64_t checkpoint = 0;
  std::int64_t wait_hint_ms = 0;
  std::int64_t last_progress_ns = 0;
  std::int64_t started_ns = 0;    // of this run; CLOCK_MONOTONIC
  std::uint64_t launched_as = 0;  // launch_digest() of what this run began with; 0: not known
  std::string status_text;
  std::optional<Exit> exit;
  std::int64_t since_ms = 0;
  std::string notify_address;       // abstract name, without the leading NUL
  std::vector<TokenRecord> tokens;  // oldest first, at most kTokensKept

  bool operator==(const Record&) const = default;
};

[[nodiscard]] std::string encode_record(const Record& record);
[[nodiscard]] std::optional<Record> decode_record(std::string_view bytes);

class RecordFile {
 public:
  static constexpr std::size_t kSlotSize = 8192;

  // Opens or makes `NAME.run` in the folder and reserves its space. errno on failure.
  [[nodiscard]] static std::expected<RecordFile, int> open(int folder, std::string_view name);

  [[nodiscard]] static bool exists(int folder, std::string_view name);

  // The newest whole slot; nothing when there is none.
  [[nodiscard]] std::optional<Record> load();
  // 0, or the errno. Drops the oldest tokens of a record that would not fit.
  [[nodiscard]] int save(const Record& record);

 private:
  explicit RecordFile(Fd file) : file_(std::move(file)) {}

  [[nodiscard]] std::optional<std::pair<std::uint64_t, std::string>> read_slot(int slot) const;

  Fd file_;
  std::uint64_t sequence_ = 0;  // of the newest slot; it is slot sequence_ % 2
};

}  // namespace noforce::supervisor
