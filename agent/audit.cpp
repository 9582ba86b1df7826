#include <algorithm>
#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include "agent/administration.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/log.hpp"

namespace noforce::agent {
namespace {

using nlohmann::json;

// One greppable line a row; texts in it were cleaned when they came in.
std::string to_line(const json& row) {
  std::string line = std::to_string(row["number"].get<std::uint64_t>()) + " " +
                     row["at"].get<std::string>() + " " + row["event"].get<std::string>() + " " +
                     row["outcome"].get<std::string>() + " " + row["principal"].get<std::string>() +
                     " " + row["address"].get<std::string>();
  if (row["job"].is_string()) line += " job=" + row["job"].get<std::string>();
  std::string services;
  for (const json& service : row["services"]) {
    services += (services.empty() ? "" : ",") + service.get<std::string>();
  }
  if (!services.empty()) line += " services=" + services;
  if (row["count"] != 1) line += " count=" + std::to_string(row["count"].get<std::uint64_t>());
  const std::string detail = row["detail"].get<std::string>();
  if (!detail.empty()) line += " " + log_field({.key = "detail", .value = detail});
  return line;
}

}  // namespace

int audit_show(const Where& where, std::size_t limit) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  auto rows = ask(*state, {{"do", "audit.show"}, {"limit", limit}});
  if (!rows) return report(rows.error());
  std::reverse(rows->begin(), rows->end());  // the newest last, where the eye is
  for (const json& row : *rows) {
    (void)std::printf("%s\n", to_line(row).c_str());
  }
  return exit_ok;
}

int audit_verify(const Where& where) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  const auto verdict = ask(*state, {{"do", "audit.verify"}});
  if (!verdict) return report(verdict.error());
  (void)std::printf("%s\nhead: %s\n", verdict->value("sentence", "").c_str(),
                    verdict->value("head", "").c_str());
  return (*verdict)["first_bad"].is_null() ? exit_ok : exit_failed;
}

}  // namespace noforce::agent
