// Numeric IP addresses, as text and as bytes. One file a platform.
#pragma once

#include <string>
#include <string_view>

namespace noforce {

// The 4 or 16 bytes of an address, in the network's order; empty: the text is none.
[[nodiscard]] std::string ip_bytes(const std::string& text);
// The one spelling of an address of 4 or 16 bytes ("127.0.0.1", "::1"); empty for anything else.
[[nodiscard]] std::string ip_text(std::string_view bytes);

}  // namespace noforce
