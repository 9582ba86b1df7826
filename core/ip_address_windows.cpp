#include <winsock2.h>
#include <ws2tcpip.h>

#include "core/ip_address.hpp"

namespace noforce {

std::string ip_bytes(const std::string& text) {
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) {
    return {reinterpret_cast<const char*>(&four), sizeof four};
  }
  in6_addr six{};
  if (::inet_pton(AF_INET6, text.c_str(), &six) == 1) {
    return {reinterpret_cast<const char*>(&six), sizeof six};
  }
  return {};
}

std::string ip_text(std::string_view bytes) {
  if (bytes.size() != sizeof(in_addr) && bytes.size() != sizeof(in6_addr)) return {};
  const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
  char text[INET6_ADDRSTRLEN] = "";
  if (::inet_ntop(family, bytes.data(), text, sizeof text) == nullptr) return {};
  return text;
}

}  // namespace noforce
