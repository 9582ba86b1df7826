// The unit files in the directories that systemd reads, each with a print that changes when a file of
// that unit does.
//
// systemd itself is asked for neither: ListUnitFiles costs it the square of their number (a second of
// its one thread for 500), and asking for each unit after every daemon-reload several milliseconds a
// unit. So only those are asked for again whose files have changed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace noforce::systemd {

class UnitFiles {
 public:
  // Reads the directories; one that is not there, or may not be read, holds nothing.
  [[nodiscard]] static UnitFiles in(const std::vector<std::string>& directories);

  // Of files and aliases, templates among them.
  [[nodiscard]] std::vector<std::string> names() const;
  // Of the unit's file, its drop-ins, its template's and those for all units of its type; 0: it has
  // none.
  [[nodiscard]] std::uint64_t print_of(std::string_view unit) const;

 private:
  struct Entry {
    std::uint64_t print = 0;
    bool is_file = false;  // and not drop-ins alone
  };
  void add(const std::string& directory, const std::string& name);

  std::map<std::string, Entry, std::less<>> entries_;  // "service" stands for all of that type
};

}  // namespace noforce::systemd
