// [[client]]: who is known by a certificate, and what each may do.
#pragma once

#include <vector>

#include "config/report.hpp"
#include "config/settings.hpp"
#include "config/toml.hpp"
#include "core/clients.hpp"

namespace noforce::config {

// In the file's order. `tls`: without its client_ca there can be none.
[[nodiscard]] std::vector<Client> read_clients(const toml::table& root, const TlsSettings& tls,
                                               Report& report);

}  // namespace noforce::config
