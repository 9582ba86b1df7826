// The clients that are known by a certificate: the settings' [[client]] entries and the CAs that
// count, replaced together on reload. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "api/server/client_certificate.hpp"
#include "core/clients.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/principal.hpp"
#include "core/thread_safety.hpp"

namespace noforce::api {

class Clients {
 public:
  explicit Clients(const Clock& clock = system_clock()) : clock_(clock) {}

  // What counts from now on, also for connections and streams that began before. No authority:
  // nobody is known by a certificate.
  void replace(std::vector<Client> clients, std::shared_ptr<const ClientAuthority> authority);
  // Who owns this certificate, now; unauthorized with a sentence.
  [[nodiscard]] Result<Principal> check(const ClientCertificate& certificate) const;
  // When the first of the CAs ends; nullopt: there is none.
  [[nodiscard]] std::optional<WallTime> authority_ends() const;

 private:
  struct Table {
    std::vector<Client> clients;
    std::shared_ptr<const ClientAuthority> authority;
  };
  [[nodiscard]] std::shared_ptr<const Table> table() const;

  const Clock& clock_;
  mutable Mutex mutex_;
  std::shared_ptr<const Table> table_ NOFORCE_GUARDED_BY(mutex_) = std::make_shared<const Table>();
};

}  // namespace noforce::api
