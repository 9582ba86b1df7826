// Who asks, and what they may do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"

namespace noforce {

// Each includes those before it.
enum class Role : std::uint8_t { viewer, operator_, admin };
// "viewer", "operator", "admin".
[[nodiscard]] std::string_view to_string(Role role);
[[nodiscard]] std::optional<Role> role_from(std::string_view text);

// The name of what the agent asks for by itself (start = "auto", restoring, on_exit).
inline constexpr std::string_view kAgentPrincipal = "agent";

// A credential's owner: "token:ci-deploy", "cert:dns:ci.example.org", "local:root", "agent".
struct Principal {
  std::string name;
  Role role = Role::viewer;
  std::vector<std::string> services;  // globs on canonical names; empty: all
  std::vector<std::string> actions;   // "stop", "restart" ...; empty: all that the role allows
  // Of the certificate that was shown.
  struct Validity {
    WallTime from{};
    WallTime until{};
  };
  std::optional<Validity> certificate{};

  [[nodiscard]] bool has(Role needed) const { return role >= needed; }
  // Globs compare without case: on an SCM that tells case apart a glob may match more than one
  // spelling, never less than it says.
  [[nodiscard]] bool may_see(std::string_view service) const;
  [[nodiscard]] bool may_see_all(const std::vector<std::string>& all) const;
  [[nodiscard]] bool may_do(std::string_view action) const;
};

}  // namespace noforce
