// openapi.yaml, as it was when this executable was built, and the same as JSON.
#pragma once

#include <string_view>

namespace noforce::api {

[[nodiscard]] std::string_view contract_yaml();
[[nodiscard]] std::string_view contract_json();

}  // namespace noforce::api
