#include "tests/api/tls_client.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "api/server/sockets.hpp"
#include "tests/api/client_socket.hpp"

namespace noforce::test {
namespace {

constexpr Milliseconds kConnect{10'000};

MonoTime now() {
  return std::chrono::steady_clock::now();
}

// None: nobody is there.
Socket connected_to(const std::string& address, const char* from) {
  const auto colon = address.rfind(':');
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)));
  return connected_socket(address.substr(0, colon), port, from);
}

template <typename Write>
void write_pem(const std::string& path, Write write) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw std::runtime_error("cannot write " + path);
  write(file);
  std::fclose(file);
}

}  // namespace

void make_certificate(const std::string& directory, const std::string& name) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, key, EVP_sha256());
  write_pem(directory + "/" + name + ".key", [&](std::FILE* file) {
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  write_pem(directory + "/" + name + ".pem",
            [&](std::FILE* file) { PEM_write_X509(file, certificate); });
  X509_free(certificate);
  EVP_PKEY_free(key);
}

std::string ask_plainly(const std::string& address, std::string_view bytes) {
  const Socket socket = connected_to(address, nullptr);
  if (!socket) return "not connected";
  std::string answer;
  api::send_what_fits(socket.get(), bytes);
  std::array<char, 4096> buffer;
  while (wait_for(socket.get(), false, kConnect)) {
    const api::Received received = api::receive(socket.get(), buffer.data(), buffer.size());
    if (received.ended) break;
    answer.append(buffer.data(), received.size);
  }
  return answer;
}

TlsClient::TlsClient(const std::string& address, int version, const char* ciphers,
                     const char* from) {
  socket_ = connected_to(address, from);
  if (!socket_) return;

  context_ = SSL_CTX_new(TLS_client_method());
  if (version != 0) {
    // So that this end does not refuse an old version by itself.
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, version);
    SSL_CTX_set_max_proto_version(context_, version);
  }
  if (ciphers != nullptr) SSL_CTX_set_cipher_list(context_, ciphers);
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, socket_.get());
  const MonoTime until = now() + kConnect;
  for (;;) {
    ERR_clear_error();  // another client's would count as this one's
    const int done = SSL_connect(ssl_);
    connected_ = done == 1;
    if (connected_) return;
    const int error = SSL_get_error(ssl_, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return;
    if (!wait(error == SSL_ERROR_WANT_WRITE, until)) return;
  }
}

TlsClient::~TlsClient() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool TlsClient::wait(bool for_writing, MonoTime until) const {
  return wait_for(socket_.get(), for_writing, std::chrono::ceil<Milliseconds>(until - now()));
}

bool TlsClient::send(std::string_view bytes) {
  const MonoTime until = now() + kConnect;
  while (!bytes.empty()) {
    ERR_clear_error();
    const int count = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    const int error = SSL_get_error(ssl_, count);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    if (!wait(error == SSL_ERROR_WANT_WRITE, until)) return false;
  }
  return true;
}

bool TlsClient::change_keys() {
  const MonoTime until = now() + kConnect;
  if (SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED) != 1) return false;
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_);
    if (done == 1) return true;
    const int error = SSL_get_error(ssl_, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    if (!wait(error == SSL_ERROR_WANT_WRITE, until)) return false;
  }
}

bool TlsClient::read_more(MonoTime until) {
  std::array<char, 4096> buffer;
  for (;;) {
    ERR_clear_error();
    const int count = SSL_read(ssl_, buffer.data(), buffer.size());
    if (count > 0) {
      input_.append(buffer.data(), static_cast<std::size_t>(count));
      return true;
    }
    const int error = SSL_get_error(ssl_, count);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      ended_ = true;
      return false;
    }
    if (!wait(error == SSL_ERROR_WANT_WRITE, until)) return false;
  }
}

std::string TlsClient::answer(Milliseconds patience) {
  const MonoTime until = now() + patience;
  for (;;) {
    const auto head = input_.find("\r\n\r\n");
    if (head != std::string::npos) {
      const auto field = input_.find("Content-Length: ");
      const bool bodiless =
          input_.starts_with("HTTP/1.1 304") || input_.starts_with("HTTP/1.1 204");
      if (bodiless || field < head) {
        const std::size_t length =
            bodiless ? 0 : std::stoul(input_.substr(field + 16, input_.find('\r', field) - field));
        const std::size_t size = head + 4 + length;
        if (input_.size() >= size) {
          std::string whole = input_.substr(0, size);
          input_.erase(0, size);
          return whole;
        }
      }
    }
    if (!read_more(until)) return std::exchange(input_, {});
  }
}

std::string TlsClient::read_until(std::string_view text, Milliseconds patience) {
  const MonoTime until = now() + patience;
  while (input_.find(text) == std::string::npos && read_more(until)) {
  }
  return std::exchange(input_, {});
}

bool TlsClient::ends(Milliseconds patience) {
  const MonoTime until = now() + patience;
  while (read_more(until)) {
  }
  return ended_;
}

std::string TlsClient::subject() const {
  X509* const certificate = SSL_get1_peer_certificate(ssl_);
  char name[128] = "";
  if (certificate != nullptr)
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
  X509_free(certificate);
  return name;
}

int TlsClient::sent_certificates() const {
  return sk_X509_num(SSL_get_peer_cert_chain(ssl_));
}

std::string TlsClient::protocol() const {
  return SSL_get_version(ssl_);
}

}  // namespace noforce::test
