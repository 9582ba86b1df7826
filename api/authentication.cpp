#include "api/authentication.hpp"

#include <algorithm>

#include "api/input.hpp"
#include "core/digest.hpp"
#include "core/ip_address.hpp"

namespace noforce::api {
namespace {

constexpr Seconds kFlushEvery{60};
constexpr Seconds kFailureWindow{10};
constexpr int kMostFailures = 20;
constexpr int kMostRowsAMinute = 30;      // rows that are written at once; the rest is counted
constexpr std::size_t kMostCounts = 256;  // then one row stands for "many addresses"
constexpr std::size_t kMostAddresses = 4096;

constexpr std::string_view kHowToGetAToken =
    " Make one on the agent's machine with `noforce token create NAME --role viewer`, and send it "
    "as -H \"Authorization: Bearer TOKEN\".";

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
}

// Stands for all that there is no room for: who comes with a flood of addresses shares its limit.
const std::string kManyNetworks = "many";

// Whose failures count together: an IPv4 address, or the /64 that an IPv6 client has to itself.
std::string network_of(const std::string& address) {
  std::string bytes = ip_bytes(address);
  if (bytes.size() != 16) return address;
  std::fill(bytes.begin() + 8, bytes.end(), '\0');
  return ip_text(bytes);
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

}  // namespace

Result<std::string_view> bearer_token(const Fields& headers) {
  const std::string* const header = headers.find("Authorization");
  if (header == nullptr)
    return fail(ErrorKind::unauthorized,
                "This needs a token, and none was sent." + std::string(kHowToGetAToken));
  if (headers.count("Authorization") > 1)
    return fail(ErrorKind::unauthorized, "There is more than one Authorization header.");
  std::string_view value = *header;
  const auto space = value.find(' ');
  if (!same_word(value.substr(0, space), "Bearer"))
    return fail(ErrorKind::unauthorized, "The Authorization header has to be \"Bearer TOKEN\"." +
                                             std::string(kHowToGetAToken));
  value = space == std::string_view::npos ? "" : value.substr(space);
  while (value.starts_with(' '))
    value.remove_prefix(1);
  std::string_view body = value;
  while (body.ends_with('='))
    body.remove_suffix(1);
  if (body.empty() || value.size() > 512 ||
      !std::all_of(body.begin(), body.end(), is_token_character))
    return fail(ErrorKind::unauthorized,
                "What follows \"Bearer\" is not a token." + std::string(kHowToGetAToken));
  return value;
}

namespace {

Result<Principal> certificate_owner(const ClientCertificate& certificate, const Clients* clients) {
  if (clients == nullptr)
    return fail(ErrorKind::unauthorized, "This agent takes no client certificates; send a token.");
  auto principal = clients->check(certificate);
  if (!principal) principal.error().detail += ".";
  return principal;
}

}  // namespace

Credential::Credential(const Request& request) {
  if (request.is_local) {
    kind_ = Kind::local;
    local_user_ = request.local_user;
  } else if (request.headers.find("Authorization") != nullptr || !request.certificate) {
    kind_ = request.headers.find("Authorization") != nullptr ? Kind::token : Kind::none;
    if (const auto token = bearer_token(request.headers)) {
      token_ = std::string(*token);
    } else {
      token_ = std::unexpected(token.error());
    }
  } else {
    kind_ = Kind::certificate;
    certificate_ = request.certificate;
  }
}

Credential::~Credential() {
  if (token_) wipe(*token_);
}

Result<Principal> Credential::owner(const Credentials& credentials, const Clients* clients) const {
  switch (kind_) {
    case Kind::local:
      return Principal{.name = "local:" + local_user_, .role = Role::admin};
    case Kind::certificate:
      return certificate_owner(*certificate_, clients);
    case Kind::none:
    case Kind::token:
      break;
  }
  if (!token_) return std::unexpected(token_.error());
  auto principal = credentials.check(*token_);
  if (!principal && principal.error().kind == ErrorKind::unauthorized) {
    principal.error().detail += ".";
    principal.error().detail += kHowToGetAToken;
  }
  return principal;
}

Result<void> check_no_foreign_page(const Request& request) {
  if (request.method == "GET" || request.method == "HEAD") return {};
  const std::string* const site = request.headers.find("Sec-Fetch-Site");
  if (request.headers.count("Sec-Fetch-Site") > 1 || (site != nullptr && *site != "same-origin"))
    return fail(ErrorKind::forbidden,
                "With a client certificate, nothing is changed on behalf of another site's page "
                "(Sec-Fetch-Site).");
  if (!says_json(request))
    return fail(ErrorKind::unsupported_media_type,
                "With a client certificate each request that changes something needs -H "
                "'Content-Type: application/json', also without a body: no foreign page can send "
                "that.");
  return {};
}

bool is_host_ours(const Request& request, const std::vector<std::string>& names) {
  if (request.is_local) return true;
  const std::string* const header = request.headers.find("Host");
  if (header == nullptr) return false;
  std::string_view host = without_port(*header);
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty()) return false;
  if (host == request.local_address) return true;
  return std::any_of(names.begin(), names.end(), [host](std::string_view name) {
    if (!name.starts_with("*.")) return same_word(name, host);
    const auto dot = host.find('.');  // a wildcard stands for one label, as in TLS
    return dot != 0 && dot != std::string_view::npos && same_word(name.substr(1), host.substr(dot));
  });
}

bool Denials::is_flooding(const std::string& address) {
  const std::lock_guard lock(mutex_);
  auto found = failures_.find(network_of(address));
  if (found == failures_.end()) found = failures_.find(kManyNetworks);
  return found != failures_.end() && found->second.count >= kMostFailures &&
         clock_.mono() - found->second.window < kFailureWindow;
}

void Denials::record(const std::string& principal, const std::string& address, ErrorKind kind,
                     const std::string& detail, bool failed_credential) {
  std::vector<AuditEntry> due;
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = clock_.mono();
    if (failed_credential) {
      if (failures_.size() >= kMostAddresses)
        std::erase_if(failures_,
                      [now](const auto& f) { return now - f.second.window >= kFailureWindow; });
      const std::string network = network_of(address);
      const bool has_room = failures_.size() < kMostAddresses || failures_.contains(network);
      Failures& failures = failures_[has_room ? network : kManyNetworks];
      if (now - failures.window >= kFailureWindow) failures = {.window = now, .count = 0};
      ++failures.count;
    }
    if (now - minute_ >= Seconds{60}) {
      minute_ = now;
      rows_this_minute_ = 0;
    }
    std::string key = principal + "\n" + address + "\n" + std::string(to_string(kind));
    const bool many = counts_.size() >= kMostCounts && !counts_.contains(key);
    if (many) key = "many";
    Count& count = counts_[key];
    const bool first = count.total == 0;
    ++count.total;
    ++count.unwritten;
    count.entry = {.principal = many ? "anonymous" : principal,
                   .address = many ? "many" : address,
                   .event = "denied",
                   .outcome = std::string(to_string(kind)),
                   .detail = detail};
    if (next_flush_ == 0) next_flush_ = (now + kFlushEvery).time_since_epoch().count();
    const bool at_power = count.total >= count.next_write;
    if (at_power) count.next_write *= 10;
    if ((first || at_power) && rows_this_minute_ < kMostRowsAMinute) {
      ++rows_this_minute_;
      count.entry.count = count.unwritten;
      count.unwritten = 0;
      due.push_back(count.entry);
    }
  }
  write(due);
}

void Denials::flush_due() {
  const std::int64_t at = next_flush_.load(std::memory_order_relaxed);
  if (at != 0 && clock_.mono().time_since_epoch().count() >= at) write(take(false));
}

void Denials::flush() {
  write(take(true));
}

std::vector<AuditEntry> Denials::take(bool everything) {
  std::vector<AuditEntry> due;
  const std::lock_guard lock(mutex_);
  const std::int64_t at = next_flush_;
  if (!everything && (at == 0 || clock_.mono().time_since_epoch().count() < at)) return due;
  for (auto& [key, count] : counts_) {
    if (count.unwritten == 0) continue;
    count.entry.count = count.unwritten;
    due.push_back(count.entry);
  }
  counts_.clear();
  next_flush_ = 0;
  return due;
}

// The trail says what it can; when the journal cannot be written, readiness says so.
void Denials::write(const std::vector<AuditEntry>& entries) {
  for (const AuditEntry& entry : entries)
    (void)journal_.audit(entry);
}

}  // namespace noforce::api
