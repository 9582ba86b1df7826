// What a request says: its JSON body, its query, and the few headers that mean something. Strict:
// an unknown name, a wrong type or a value out of range is refused with a sentence that says where.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "api/context.hpp"
#include "core/error.hpp"

namespace noforce::api {

enum class FieldType : std::uint8_t { text, integer, boolean, texts };

// One field that a body, or the query in its place, may have.
struct FieldSpec {
  std::string_view name;
  FieldType type = FieldType::text;
  std::int64_t least = 0;  // integer: its range; text, texts: the length of each in bytes
  std::int64_t most = 0;
  std::string_view choices = {};  // text: the words that it may be, one space between each
};

// Does the Content-Type say JSON, with whatever parameters?
[[nodiscard]] bool says_json(const Request& request);
// The body's fields and those of the query, checked against `specs`; each may be given once.
// `known` names query parameters that are not fields (wait, strict ...).
[[nodiscard]] Result<nlohmann::json> read_fields(const Request& request,
                                                 std::span<const FieldSpec> specs);

// Every query parameter is known to the route, and given once.
[[nodiscard]] Result<void> check_query(const Request& request, std::string_view known);
// Null when it is not there.
[[nodiscard]] const std::string* query_value(const Request& request, std::string_view name);
// 1, true, yes; 0, false, no; a name alone means yes.
[[nodiscard]] Result<bool> query_flag(const Request& request, std::string_view name);
[[nodiscard]] Result<std::optional<std::int64_t>> query_integer(const Request& request,
                                                                std::string_view name,
                                                                std::int64_t least,
                                                                std::int64_t most);
[[nodiscard]] Result<std::optional<WallTime>> query_time(const Request& request,
                                                         std::string_view name);

// How long the caller wants to wait for a job's end, at most `most`.
struct Waiting {
  Seconds patience{0};
  bool asked = false;       // by `wait` or Prefer
  bool preference = false;  // by Prefer: to be echoed
  bool strict = false;
};
[[nodiscard]] Result<Waiting> read_waiting(const Request& request, Seconds most);
// The N of "Prefer: wait=N"; a preference that cannot be read is no preference.
[[nodiscard]] std::optional<std::int64_t> preferred_wait(const Fields& headers);

// 1..255 visible ASCII characters, quoted or bare.
[[nodiscard]] Result<std::optional<std::string>> idempotency_key(const Fields& headers);

// A page token's text for what the page ended with, and back; malformed for one that is none.
[[nodiscard]] std::string make_page_token(std::string_view kind, std::string_view last);
[[nodiscard]] Result<std::optional<std::string>> read_page_token(const Request& request,
                                                                 std::string_view kind);
[[nodiscard]] Result<std::size_t> read_limit(const Request& request);

// The one that looks most like `name`; empty when none does.
[[nodiscard]] std::string_view nearest_name(std::string_view name,
                                            const std::vector<std::string_view>& known);
// "stop start restart" -> its words.
[[nodiscard]] std::vector<std::string_view> words_of(std::string_view list);

}  // namespace noforce::api
