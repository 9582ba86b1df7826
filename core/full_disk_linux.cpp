#include <cerrno>

#include "core/full_disk.hpp"

namespace noforce {

bool means_full_disk(int number) {
  return number == ENOSPC || number == EDQUOT;
}

}  // namespace noforce
