// What every test service leaves behind of its life, so that a test need not take the agent's word
// for what happened: a lock that proves that it ran once, and a file of events shared by all.
#pragma once

#include <string>
#include <string_view>

#include "tests/services/common/arguments.hpp"
#include "tests/services/common/fd.hpp"

namespace services {

class Life {
 public:
  // --name NAME     what the events call it (default: `otherwise`)
  // --events FILE   one line an event is appended: "<monotonic ms> <name> <pid> <event>"
  // --lock FILE     locked as long as the process lives; if another one holds it, the event
  //                 "doubled" is written and the program ends with status 99
  // --count FILE    its log lines end with " #N", numbered on from the last instance's, whose last
  //                 number is kept there: a gap or a repeat shows that a log is not continuous
  Life(const Arguments& arguments, std::string_view otherwise);

  // Also a log line.
  void event(std::string_view what);
  // A log line alone, numbered like an event's.
  void line(std::string_view what);
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
  Fd events_;
  Fd lock_;
  Fd count_;
  long lines_ = 0;  // in the log, of all instances; counted only with --count
};

// Writes all of it and syncs it to the disk; ends the program when that fails.
void append_durably(const Fd& file, std::string_view text);

// A file to append to, made when it is not there. Ends the program when that fails.
[[nodiscard]] Fd open_to_append(const std::string& path);

// Replaces the file's content: all of it or nothing.
void replace_file(const std::string& path, std::string_view content);

// Empty when there is no such file.
[[nodiscard]] std::string read_file(const std::string& path);

}  // namespace services
