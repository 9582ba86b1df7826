// Whether the system's number (errno, Windows' last error) says that there is no space left. One file
// a platform.
#pragma once

namespace noforce {

[[nodiscard]] bool means_full_disk(int number);

}  // namespace noforce
