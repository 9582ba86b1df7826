// What counts as a name or an address in the settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace noforce::config {

// Of a service or a group: [A-Za-z0-9._@-]{1,80}.
[[nodiscard]] bool is_name(std::string_view text);
[[nodiscard]] bool has_control_characters(std::string_view text);
// IPv4 or IPv6, without brackets.
[[nodiscard]] bool is_numeric_address(const std::string& host);

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};

// "127.0.0.1:80", "[::1]:80", "name:80".
[[nodiscard]] std::optional<HostPort> split_host_port(std::string_view text);

}  // namespace noforce::config
