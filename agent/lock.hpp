// One agent a state directory.
#pragma once

#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/fd.hpp"

namespace noforce::agent {

// Held from take() to the end of the object, or of the process however it ends.
class Lock {
 public:
  // busy, with a sentence that names the holder, when another process has it.
  [[nodiscard]] static Result<Lock> take(const std::string& path);

 private:
  explicit Lock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

}  // namespace noforce::agent
