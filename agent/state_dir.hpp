// The names of what is in the state directory.
#pragma once

#include <string>
#include <utility>

namespace noforce::agent {

class StateDir {
 public:
  explicit StateDir(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string journal() const { return path_ + "/noforce.db"; }
  [[nodiscard]] std::string lock() const { return path_ + "/agent.lock"; }
  [[nodiscard]] std::string socket() const { return path_ + "/agent.sock"; }
  // "127.0.0.1:43211" while an agent serves: the address that was bound.
  [[nodiscard]] std::string address() const { return path_ + "/agent.address"; }
  // The first login: the secret alone, and as a header for `curl -H @FILE`.
  [[nodiscard]] std::string admin_token() const { return path_ + "/admin.token"; }
  [[nodiscard]] std::string admin_header() const { return path_ + "/admin.header"; }

  [[nodiscard]] std::string tls() const { return path_ + "/tls"; }
  [[nodiscard]] std::string ca_certificate() const { return tls() + "/ca.pem"; }
  [[nodiscard]] std::string ca_key() const { return tls() + "/ca.key"; }
  [[nodiscard]] std::string server_certificate() const { return tls() + "/server.pem"; }
  [[nodiscard]] std::string server_key() const { return tls() + "/server.key"; }

 private:
  std::string path_;
};

}  // namespace noforce::agent
