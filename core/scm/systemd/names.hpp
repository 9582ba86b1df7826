// Names of units, as systemd writes them (systemd.unit(5)). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace noforce::systemd {

// "web.service" -> "service"; empty where there is no type.
[[nodiscard]] std::string_view type_of(std::string_view unit);
// Letters, digits and ":-_.\@", at most 255, with a type that systemd knows. What is not such a name
// never becomes part of a path.
[[nodiscard]] bool is_unit_name(std::string_view text);
// "getty@.service": a template, of which nothing runs.
[[nodiscard]] bool is_template(std::string_view unit);
// "web" means "web.service", as it does to systemctl.
[[nodiscard]] std::string with_type(std::string_view spelling);

// The object of a unit on D-Bus, whether it is loaded or not, and back.
[[nodiscard]] std::string object_path(std::string_view unit);
[[nodiscard]] std::optional<std::string> unit_of_path(std::string_view path);
// ".../job/4711" -> 4711; 0 for anything else.
[[nodiscard]] std::uint64_t job_of_path(std::string_view path);

}  // namespace noforce::systemd
