#include "api/clients.hpp"

#include <utility>

namespace noforce::api {

void Clients::replace(std::vector<Client> clients,
                      std::shared_ptr<const ClientAuthority> authority) {
  auto next = std::make_shared<const Table>(
      Table{.clients = std::move(clients), .authority = std::move(authority)});
  const MutexLock lock(mutex_);
  table_ = std::move(next);
}

std::shared_ptr<const Clients::Table> Clients::table() const {
  const MutexLock lock(mutex_);
  return table_;
}

Result<Principal> Clients::check(const ClientCertificate& certificate) const {
  const auto now = table();
  if (!now->authority)
    return fail(ErrorKind::unauthorized,
                "the agent takes no client certificates (any more): the settings have no "
                "'client_ca' in [tls]; send a token");
  if (auto good = now->authority->check(certificate, clock_.wall()); !good)
    return std::unexpected(good.error());
  auto principal = principal_among(now->clients, certificate.names);
  if (principal) {
    principal->certificate =
        Principal::Validity{.from = certificate.not_before, .until = certificate.not_after};
  }
  return principal;
}

std::optional<WallTime> Clients::authority_ends() const {
  const auto now = table();
  if (!now->authority) return std::nullopt;
  return now->authority->not_after();
}

}  // namespace noforce::api
