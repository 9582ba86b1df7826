// Who asks. A present Authorization header alone decides, else the client certificate of the
// connection; there is no fallback from the one to the other. Denials are counted and written to
// the audit trail in bounded number.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/clients.hpp"
#include "api/server/message.hpp"
#include "core/clock.hpp"
#include "core/credentials.hpp"
#include "core/error.hpp"
#include "core/journal.hpp"
#include "core/principal.hpp"

namespace noforce::api {

// The token of "Bearer <token>" (the scheme in any case, one or more spaces, RFC 6750's
// characters); malformed-like cases come back as unauthorized with a sentence.
[[nodiscard]] Result<std::string_view> bearer_token(const Fields& headers);

// What a request came with. Whoever keeps it can ask again who that is: a credential may have
// ended, or may do something else by now.
class Credential {
 public:
  enum class Kind : std::uint8_t { none, local, token, certificate };

  explicit Credential(const Request& request);
  ~Credential();
  Credential(const Credential&) = delete;
  Credential& operator=(const Credential&) = delete;

  [[nodiscard]] Kind kind() const { return kind_; }
  // Who that is at this moment; unauthorized with a sentence. `clients` null: certificates count
  // for nothing.
  [[nodiscard]] Result<Principal> owner(const Credentials& credentials,
                                        const Clients* clients) const;

 private:
  Kind kind_ = Kind::none;
  std::string local_user_;
  Result<std::string> token_;  // wiped at the end
  std::shared_ptr<const ClientCertificate> certificate_;
};

// A browser sends a client certificate by itself, whichever page asks for it. So a write that comes
// with one has to be what no foreign page can send: of JSON type, and of this origin where the
// browser says so. unsupported_media_type or forbidden.
[[nodiscard]] Result<void> check_no_foreign_page(const Request& request);

// Is the request meant for this agent: `Host` names one of `names` or the very address on which
// the connection came in, whatever the port (it may be forwarded).
[[nodiscard]] bool is_host_ours(const Request& request, const std::vector<std::string>& names);

// Counts denied requests: limits failures by address, and puts what was denied into the audit
// trail so that a flood cannot fill the disk. The first of its kind is written at once; the same
// again is counted and written with its number once a minute, or when the count reaches the next
// power of ten. Any thread.
class Denials {
 public:
  Denials(Journal& journal, const Clock& clock) : journal_(journal), clock_(clock) {}
  ~Denials() { flush(); }
  Denials(const Denials&) = delete;
  Denials& operator=(const Denials&) = delete;

  // True: this address has failed too often of late and gets 429.
  [[nodiscard]] bool is_flooding(const std::string& address);
  // `failed_credential`: counts against the address.
  void record(const std::string& principal, const std::string& address, ErrorKind kind,
              const std::string& detail, bool failed_credential);
  // Writes what is due; cheap when nothing is.
  void flush_due();
  // Writes everything that was counted.
  void flush();

 private:
  struct Count {
    AuditEntry entry;  // what the next row says
    std::uint64_t unwritten = 0;
    std::uint64_t total = 0;
    std::uint64_t next_write = 10;  // total at which it is written before its time
  };
  struct Failures {
    MonoTime window{};
    int count = 0;
  };

  // Takes what is to be written out of the counts.
  std::vector<AuditEntry> take(bool everything);
  void write(const std::vector<AuditEntry>& entries);

  Journal& journal_;
  const Clock& clock_;
  std::atomic<std::int64_t> next_flush_{0};  // mono clock's count; 0: nothing counted
  std::mutex mutex_;
  std::map<std::string, Count> counts_;                 // guarded by mutex_
  std::unordered_map<std::string, Failures> failures_;  // guarded by mutex_
  MonoTime minute_{};                                   // guarded by mutex_
  int rows_this_minute_ = 0;                            // guarded by mutex_
};

}  // namespace noforce::api
