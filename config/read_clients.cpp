#include "config/read_clients.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "config/values.hpp"
#include "core/plan.hpp"
#include "core/text.hpp"

namespace noforce::config {
namespace {

class ClientReader {
 public:
  ClientReader(const TlsSettings& tls, Report& report) : tls_(tls), report_(report) {}

  std::vector<Client> run(const toml::table& root) {
    for_each_table(root, "client", [this](const toml::table& table) { client(table); });
    return std::move(clients_);
  }

 private:
  void client(const toml::table& table) {
    Client client;
    if (const auto* role = table["role"].as_string()) {
      client.role = role_from(**role).value_or(Role::viewer);
    }
    read(table, "services", client.services);
    read(table, "actions", client.actions);
    if (const auto* san = table["san"].as_string()) client.san = client_san(*san);
    for (std::size_t i = 0; i < client.services.size(); ++i) {
      constexpr std::size_t longest_glob = 256;
      const std::string& glob = client.services[i];
      if (!glob.empty() && glob.size() <= longest_glob && clean_text(glob, longest_glob) == glob) {
        continue;
      }
      report_.at(element_of(table, "services", i),
                 "'services' holds names of services, with * and ? for others, not " + shown(glob));
    }
    if (client.role == Role::admin && (!client.services.empty() || !client.actions.empty())) {
      report_.at(place_of(table, "role"),
                 "an admin covers the whole machine (audit, hold) and cannot be narrowed; narrow "
                 "an operator or a viewer");
    }
    for (std::size_t i = 0; i < client.actions.size(); ++i) {
      if (action_from(client.actions[i])) continue;
      static const std::vector<std::string> actions{"stop",   "start", "restart",
                                                    "reload", "pause", "continue"};
      report_.at(element_of(table, "actions", i), "'actions' holds " + joined(actions, " and ") +
                                                      ", not " + shown(client.actions[i]) +
                                                      hint(client.actions[i], actions));
    }
    if (tls_.client_ca.empty()) {
      report_.at(table,
                 "[[client]] needs 'client_ca' in [tls]: without it no client is asked for "
                 "a certificate");
    }
    clients_.push_back(std::move(client));
  }

  // Empty where it is none, which was then reported.
  std::string client_san(const toml::value<std::string>& san) {
    auto name = client_name(*san);
    if (!name) {
      report_.at(san,
                 "'san' is one name that a certificate carries, without patterns: \"dns:HOST\", "
                 "\"uri:URI\", \"email:ADDRESS\" or \"ip:ADDRESS\", and " +
                     shown(*san) + " is none");
      return {};
    }
    if (std::ranges::find(clients_, *name, &Client::san) != clients_.end()) {
      report_.at(san, "there is already a [[client]] " + shown(*name));
    }
    return std::move(*name);
  }

  const TlsSettings& tls_;
  Report& report_;
  std::vector<Client> clients_;
};

}  // namespace

std::vector<Client> read_clients(const toml::table& root, const TlsSettings& tls, Report& report) {
  return ClientReader(tls, report).run(root);
}

}  // namespace noforce::config
