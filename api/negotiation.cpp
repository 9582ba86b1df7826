#include "api/negotiation.hpp"

#include <cstdint>
#include <cstdlib>

namespace noforce::api {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// The piece before `separator`; removed from `rest` together with it.
std::string_view next_piece(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const std::string_view piece = trim(rest.substr(0, at));
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return piece;
}

// RFC 9110's quality in thousandths: "0.8" is 800. What is not one counts as 1000.
int quality(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 1000;
  int value = (text[0] - '0') * 1000;
  if (text.size() > 1 && text[1] != '.') return 1000;
  int unit = 100;
  for (std::size_t i = 2; i < text.size() && unit > 0; ++i, unit /= 10) {
    if (text[i] < '0' || text[i] > '9') return 1000;
    value += (text[i] - '0') * unit;
  }
  return value > 1000 ? 1000 : value;
}

struct Preference {
  int exactness = -1;  // 0: */*, 1: type/*, 2: type/subtype; the most exact range decides
  int quality = 0;
};

void consider(Preference& preference, std::string_view range, int q, std::string_view type) {
  int exactness = -1;
  if (same_word(range, type)) {
    exactness = 2;
  } else if (range.ends_with("/*") &&
             same_word(range.substr(0, range.size() - 1), type.substr(0, type.find('/') + 1))) {
    exactness = 1;
  } else if (range == "*/*" || range == "*") {
    exactness = 0;
  }
  if (exactness > preference.exactness) preference = {exactness, q};
}

// How much the Accept header wants `type`; 1000 where it says nothing at all.
int wants(const Request& request, std::string_view type) {
  Preference preference;
  bool said_anything = false;
  for (const Field& field : request.headers) {
    if (!same_word(field.name, "Accept")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      std::string_view range = next_piece(rest, ',');
      if (range.empty()) continue;
      said_anything = true;
      const std::string_view media = next_piece(range, ';');
      int q = 1000;
      while (!range.empty()) {
        const std::string_view parameter = next_piece(range, ';');
        if (parameter.starts_with("q=") || parameter.starts_with("Q="))
          q = quality(trim(parameter.substr(2)));
      }
      consider(preference, media, q, type);
    }
  }
  return said_anything ? preference.quality : 1000;
}

constexpr std::uint64_t kFnvOffset = 14695981039346656037ull;
constexpr std::uint64_t kFnvPrime = 1099511628211ull;

std::uint64_t fnv1a(std::uint64_t hash, std::string_view text) {
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  return hash;
}

}  // namespace

Result<Format> wanted_format(const Request& request) {
  const int json = wants(request, "application/json");
  const int text = wants(request, "text/plain");
  if (json == 0 && text == 0)
    return fail(
        ErrorKind::not_acceptable,
        "This is given as application/json or text/plain; the Accept header takes neither.");
  return text > json ? Format::text : Format::json;
}

bool accepts(const Request& request, std::string_view type) {
  return wants(request, type) > 0;
}

std::string weak_etag(std::string_view text, std::string_view without) {
  std::uint64_t hash = kFnvOffset;
  if (without.empty()) {
    hash = fnv1a(hash, text);
  } else {
    const auto at = static_cast<std::size_t>(without.data() - text.data());
    hash = fnv1a(fnv1a(hash, text.substr(0, at)), text.substr(at + without.size()));
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string tag = "W/\"";
  for (int shift = 60; shift >= 0; shift -= 4)
    tag += kHex[(hash >> shift) & 15];
  return tag + '"';
}

bool is_not_modified(const Request& request, std::string_view etag) {
  const auto bare = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  for (const Field& field : request.headers) {
    if (!same_word(field.name, "If-None-Match")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::string_view tag = next_piece(rest, ',');
      if (tag == "*" || bare(tag) == bare(etag)) return true;
    }
  }
  return false;
}

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  response.body += '\n';
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

Response text_page(std::string body, const std::string& next_page_token) {
  Response response = text_response(200, std::move(body));
  if (!next_page_token.empty()) response.headers.add("Noforce-Next-Page-Token", next_page_token);
  return response;
}

Response text_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

Response with_etag(const Request& request, Response response, std::string etag) {
  // "no-store" would forbid to keep what the tag is about.
  response.headers.set("Cache-Control", "private, no-cache");
  if (is_not_modified(request, etag)) {
    response.status = 304;
    response.body.clear();
    response.content_type.clear();
  }
  response.headers.add("ETag", std::move(etag));
  response.headers.add("Vary", "Accept, Authorization");
  return response;
}

}  // namespace noforce::api
