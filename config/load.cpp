#include "config/load.hpp"

#include <utility>

#include "config/machine.hpp"
#include "config/read_agent.hpp"
#include "config/read_clients.hpp"
#include "config/read_policies.hpp"
#include "config/read_scm.hpp"
#include "config/read_services.hpp"
#include "config/report.hpp"
#include "config/shape.hpp"
#include "config/toml.hpp"
#include "core/text.hpp"

namespace noforce::config {
namespace {

// From the tables to the settings, with what the shape does not say.
Settings read_settings(const toml::table& root, const std::string& file, MachineChecks checks,
                       Report& report) {
  Settings settings;
  settings.file = file;
  read_agent(root, checks, settings, report);
  read_scm(root, settings, report);
  settings.clients = read_clients(root, settings.tls, report);
  // With another backend read_scm() has refused them.
  if (settings.scm.backend == Backend::supervisor) {
    settings.services = read_services(root, checks, report);
  }
  settings.policies = read_policies(root, checks, settings, report);
  return settings;
}

bool needs_trust(const Settings& settings) {
  return !settings.services.empty() || !settings.clients.empty() || runs_hooks(settings);
}

Mistakes whole_file(const std::string& file, std::string sentence) {
  return {Mistake{.file = file, .sentence = std::move(sentence)}};
}

}  // namespace

std::string to_string(const Mistake& mistake) {
  std::string out = mistake.file;
  if (mistake.line > 0) {
    out += ":" + std::to_string(mistake.line) + ":" + std::to_string(mistake.column);
  }
  return out + ": " + mistake.sentence;
}

std::expected<Settings, Mistakes> parse(std::string_view text, const std::string& file,
                                        MachineChecks checks) {
  if (text.size() > largest_file) {
    return std::unexpected(
        whole_file(file, "is larger than " + std::to_string(largest_file) + " bytes"));
  }
  const toml::parse_result parsed = toml::parse(text, file);
  Report report(file);
  if (!parsed) {
    report.at(parsed.error().source(),
              "this is not TOML: " + clean_text(parsed.error().description(), 300));
    return std::unexpected(report.take());
  }
  check_shape(parsed.table(), report);
  Settings settings = read_settings(parsed.table(), file, checks, report);
  if (!report.empty()) return std::unexpected(report.take());
  return settings;
}

std::expected<Settings, Mistakes> load(const std::string& file, MachineChecks checks) {
  const Result<FileContent> content = read_file(file, largest_file);
  if (!content) return std::unexpected(whole_file(file, content.error().detail));
  auto settings = parse(content->text, file, checks);
  if (settings && !content->distrust.empty() && needs_trust(*settings)) {
    return std::unexpected(
        whole_file(file,
                   "says which programs are run and who may do what, so only root and the agent's "
                   "user may be able to write it: " +
                       content->distrust));
  }
  return settings;
}

Mistake mistake_at(const std::string& file, std::string_view section, std::string_view key,
                   std::string sentence) {
  Report report(file);
  if (const Result<FileContent> content = read_file(file, largest_file)) {
    const toml::parse_result parsed = toml::parse(content->text, file);
    const toml::node* node = parsed ? parsed.table()[section][key].node() : nullptr;
    if (node != nullptr) {
      report.at(*node, std::move(sentence));
      return report.take().front();
    }
  }
  return {.file = file, .sentence = std::move(sentence)};
}

}  // namespace noforce::config
