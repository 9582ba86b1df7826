// A file that is made beside its goal, and gets the goal's name once it is whole: nobody ever sees a
// part of it under that name. One file a platform.
#pragma once

#include <string>

#include "core/error.hpp"
#include "core/fd.hpp"

namespace noforce {

// Gone with this, unless it was kept. One thread.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::string& goal);
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // journal_unavailable where it could not be made: it is the agent's alone, or not there.
  [[nodiscard]] Result<void> made() const;
  [[nodiscard]] Result<void> synchronize() const;
  // Synchronizes it and gives it its name, for good; replaces nothing. already_done: there is
  // something of that name.
  [[nodiscard]] Result<void> keep() const;

 private:
  std::string goal_;
  std::string path_;
  Fd file_;
  int problem_ = 0;  // the system's number
};

// Whether there is something of this name, a link included.
[[nodiscard]] bool is_there(const std::string& path);

}  // namespace noforce
