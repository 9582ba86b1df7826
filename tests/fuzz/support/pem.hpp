// Certificates as inputs.
#pragma once

#include <string>
#include <string_view>

namespace noforce::fuzz {

// An input that is PEM as it is; any other one as the DER in a certificate's PEM.
[[nodiscard]] std::string pem_of(std::string_view input);

}  // namespace noforce::fuzz
