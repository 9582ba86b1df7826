// The files by which units are spared: for each a record in the agent's state directory, which
// outlives the agent, and the drop-in in systemd's runtime directory, which does not outlive the
// machine's next boot.
//
// The record is on disk before the drop-in is written, and goes after systemd has forgotten it. So
// whatever dies in between, the next agent knows each drop-in that there may be.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/error.hpp"

namespace noforce::systemd {

struct SparedRecord {
  std::string instance;        // the invocation that is spared
  std::set<std::string> jobs;  // that may still want to stop it

  bool operator==(const SparedRecord&) const = default;
};

[[nodiscard]] std::string to_text(const SparedRecord& record);
// What cannot be read is a record of no instance and no job: its drop-in is to go.
[[nodiscard]] SparedRecord record_from(const std::string& text);

class SparedFiles {
 public:
  // `records`: a directory of the agent's own, made where it is missing. `units`: systemd's runtime
  // directory of unit files, "/run/systemd/system".
  SparedFiles(std::string records, std::string units)
      : records_(std::move(records)), units_(std::move(units)) {}

  [[nodiscard]] Result<std::map<std::string, SparedRecord>> read_all() const;
  [[nodiscard]] Result<void> write_record(const std::string& unit,
                                          const SparedRecord& record) const;
  void remove_record(const std::string& unit) const;
  [[nodiscard]] Result<void> write_drop_in(const std::string& unit, const std::string& text) const;
  [[nodiscard]] Result<void> remove_drop_in(const std::string& unit) const;
  [[nodiscard]] bool has_drop_in(const std::string& unit) const;

 private:
  [[nodiscard]] std::string drop_in_of(const std::string& unit) const;

  const std::string records_;
  const std::string units_;
};

}  // namespace noforce::systemd
