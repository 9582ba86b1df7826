#include "core/clients.hpp"

#include <algorithm>

#include "core/ip_address.hpp"
#include "core/text.hpp"

namespace noforce {
namespace {

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7F'; });
}

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Labels of 1 to 63 characters, with dots between them; in lower case.
bool is_host(std::string_view host) {
  constexpr std::size_t longest_label = 63;
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.' ? label == 0 : !is_label_character(c)) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > longest_label) return false;
  }
  return label > 0;
}

std::optional<std::string> host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string host = lower_ascii(text);
  if (!is_host(host)) return std::nullopt;
  return host;
}

// The part before the @ is the mail server's own business: its case counts.
std::optional<std::string> mail_address(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  const auto host = host_name(text.substr(at + 1));
  if (!host) return std::nullopt;
  return std::string(text.substr(0, at + 1)) + *host;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
                  c == '.';
         });
}

// Scheme and host compare without case, a user before the host and all that follows it with case.
std::optional<std::string> uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  const std::string scheme = lower_ascii(text.substr(0, colon));
  if (!is_scheme(scheme)) return std::nullopt;
  std::string_view rest = text.substr(colon + 1);
  std::string authority;
  if (rest.starts_with("//")) {
    const std::size_t end = std::min(rest.find_first_of("/?#", 2), rest.size());
    if (rest.substr(0, end).find('*') != std::string_view::npos) return std::nullopt;
    const std::size_t at = rest.substr(0, end).rfind('@');
    const std::size_t host = at == std::string_view::npos ? 0 : at;
    authority = std::string(rest.substr(0, host)) + lower_ascii(rest.substr(host, end - host));
    rest.remove_prefix(end);
  }
  return scheme + ":" + authority + std::string(rest);
}

std::optional<std::string> ip_address(std::string_view text) {
  std::string written = ip_text(ip_bytes(std::string(text)));
  if (written.empty()) return std::nullopt;
  return written;
}

bool may_do_the_same(const Client& a, const Client& b) {
  return a.role == b.role && a.services == b.services && a.actions == b.actions;
}

}  // namespace

std::optional<std::string> client_name(std::string_view text) {
  if (text.size() > longest_client_name || !is_printable(text)) return std::nullopt;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string kind = lower_ascii(text.substr(0, colon + 1));
  const std::string_view rest = text.substr(colon + 1);
  std::optional<std::string> name;
  if (kind == "dns:") name = host_name(rest);
  if (kind == "email:") name = mail_address(rest);
  if (kind == "uri:") name = uri(rest);
  if (kind == "ip:") name = ip_address(rest);
  if (!name) return std::nullopt;
  return kind + *name;
}

Result<Principal> principal_among(const std::vector<Client>& clients,
                                  const std::vector<std::string>& names) {
  const Client* found = nullptr;
  for (const Client& client : clients) {
    if (std::ranges::find(names, client.san) == names.end()) continue;
    if (found == nullptr) {
      found = &client;
    } else if (!may_do_the_same(*found, client)) {
      return fail(ErrorKind::unauthorized,
                  "the client certificate carries the names of two [[client]] that may do "
                  "different things, " +
                      found->san + " and " + client.san +
                      "; use a certificate that carries one of them");
    }
  }
  if (found == nullptr) {
    return fail(ErrorKind::unauthorized,
                "the client certificate is of the right CA, but no [[client]] of the settings "
                "lists what it carries: " +
                    list_names(names, 4) + "; add one of these there, then `noforce reload`");
  }
  return Principal{.name = "cert:" + found->san,
                   .role = found->role,
                   .services = found->services,
                   .actions = found->actions};
}

}  // namespace noforce
