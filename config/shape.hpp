// What the table of settings says about a file: known keys, types, ranges, choices.
#pragma once

#include "config/report.hpp"
#include "config/toml.hpp"

namespace noforce::config {

void check_shape(const toml::table& root, Report& report);

}  // namespace noforce::config
