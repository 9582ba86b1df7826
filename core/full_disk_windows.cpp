#include <windows.h>

#include "core/full_disk.hpp"

namespace noforce {

namespace {

constexpr int disk_quota_exceeded = 1295;  // ERROR_DISK_QUOTA_EXCEEDED, which MinGW's headers lack

}  // namespace

bool means_full_disk(int number) {
  return number == ERROR_DISK_FULL || number == ERROR_HANDLE_DISK_FULL ||
         number == disk_quota_exceeded;
}

}  // namespace noforce
