// Space that is kept for the day on which the disk is full: a file beside the journal that has its
// blocks and no content. What must be written then (a running job goes on, ends and is recorded)
// gets it in portions, which become room in SQLite's log at once, so that nobody else takes them.
// New jobs never get any. One file a platform: journal_reserve_linux.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace noforce {

// One thread at a time.
class JournalReserve {
 public:
  // `journal` is the path of the database. Touches nothing yet.
  explicit JournalReserve(const std::string& journal)
      : path_(path_of(journal)), log_(journal + "-wal") {}

  [[nodiscard]] static std::string path_of(const std::string& journal) {
    return journal + "-reserve";
  }

  // Makes it whole. False: the disk has no room for it and for some acceptances besides; what was
  // there before stays. Where there can be none for another reason, says so once to the log and is
  // true: the journal works without.
  [[nodiscard]] bool fill();
  // Gives a portion to the log. False: there is none left.
  [[nodiscard]] bool release();

  // How much must be free on the disk for fill() to succeed, in whole MiB, rounded up.
  [[nodiscard]] std::uint64_t wanted_mib() const;

 private:
  std::string path_;
  std::string log_;
  bool complained_ = false;
};

}  // namespace noforce
