#include <httplib.h>

#include "api/http_probe.hpp"

namespace noforce::api {
namespace {

// A service that works says so in few bytes; the rest of a long body is not waited for.
constexpr std::size_t kMostBody = 64 * 1024;

struct ProbeUrl {
  std::string origin;  // "http://host:port"
  std::string target;
};

Result<ProbeUrl> parse_probe_url(const std::string& url) {
  static constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme))
    return fail(ErrorKind::verify_failed,
                "verify.http has to begin with http://, not " + url + ".");
  const auto path = url.find_first_of("/?", kScheme.size());
  ProbeUrl parsed{url.substr(0, path), path == std::string::npos ? "/" : url.substr(path)};
  if (parsed.origin.size() == kScheme.size() || parsed.origin.find('@') != std::string::npos)
    return fail(ErrorKind::verify_failed, "verify.http names no host: " + url + ".");
  if (parsed.target.front() == '?') parsed.target.insert(0, "/");
  return parsed;
}

Result<void> probe_once(const std::string& url, Milliseconds timeout) {
  auto parsed = parse_probe_url(url);
  if (!parsed) return std::unexpected(parsed.error());
  httplib::Client client(parsed->origin);
  if (!client.is_valid())
    return fail(ErrorKind::verify_failed, "verify.http cannot be used: " + url + ".");
  client.set_follow_location(false);
  client.set_keep_alive(false);
  client.set_connection_timeout(timeout);
  client.set_read_timeout(timeout);
  client.set_write_timeout(timeout);
  client.set_max_timeout(timeout);

  int status = 0;
  std::size_t received = 0;
  const auto answer = client.Get(
      parsed->target,
      [&status](const httplib::Response& response) {
        status = response.status;
        return true;
      },
      [&received](const char*, std::size_t size) { return (received += size) <= kMostBody; });
  // The status line is the answer, however the body went. (Where there is no body, as with 204, the
  // library does not call the handler above.)
  if (status == 0 && answer) status = answer->status;
  if (status == 0)
    return fail(ErrorKind::verify_failed,
                "No answer from " + url + ": " + httplib::to_string(answer.error()) + ".");
  if (status < 200 || status > 299)
    return fail(ErrorKind::verify_failed, url + " answered " + std::to_string(status) + ".");
  return {};
}

}  // namespace

HttpProbe http_probe() {
  return [](const std::string& url, Milliseconds timeout) -> Result<void> {
    try {
      return probe_once(url, timeout);
    } catch (const std::exception& error) {
      return fail(ErrorKind::verify_failed, "No answer from " + url + ": " + error.what() + ".");
    }
  };
}

}  // namespace noforce::api
