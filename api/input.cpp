#include "api/input.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

using Json = nlohmann::json;

constexpr int kMostDepth = 16;
constexpr std::size_t kMostServices = 1000;

// Text that a caller sent, fit to be quoted in a sentence.
std::string in_quotes(std::string_view text) {
  return "\"" + clean_text(text, 60) + "\"";
}

std::unexpected<Error> malformed(std::string detail) {
  return fail(ErrorKind::malformed, std::move(detail));
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string unknown_name(std::string_view what, std::string_view name,
                         const std::vector<std::string_view>& known) {
  std::string sentence = "Unknown " + std::string(what) + " " + in_quotes(name);
  if (known.empty()) return sentence + "; there are none here.";
  const std::string_view nearest = nearest_name(name, known);
  if (!nearest.empty()) return sentence + "; did you mean " + std::string(nearest) + "?";
  return sentence + "; known are " + list_names(known, 16) + ".";
}

std::string position_in(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto last = before.rfind('\n');
  const std::size_t column =
      last == std::string_view::npos ? before.size() : before.size() - last - 1;
  return "line " + std::to_string(line) + ", column " +
         std::to_string(std::max<std::size_t>(column, 1));
}

// Watches a parse for what JSON allows and we do not.
struct ParseWatch {
  std::vector<std::set<std::string>> keys;  // of each object that is open
  std::string duplicate;
  bool too_deep = false;

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMostDepth) too_deep = true;
    if (event == Event::object_start) {
      keys.emplace_back();
    } else if (event == Event::object_end) {
      if (!keys.empty()) keys.pop_back();
    } else if (event == Event::key && !keys.empty()) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(name).second && duplicate.empty()) duplicate = name;
    }
    return true;
  }
};

Result<Json> parse_object(const std::string& body) {
  ParseWatch watch;
  Json parsed;
  try {
    parsed = Json::parse(body, std::ref(watch));
  } catch (const Json::parse_error& error) {
    return malformed("The body is not JSON in UTF-8: something is wrong at " +
                     position_in(body, error.byte) + ".");
  } catch (const Json::exception&) {
    return malformed("The body has a number that is too large.");
  }
  if (watch.too_deep)
    return malformed("The body is nested more than " + std::to_string(kMostDepth) + " deep.");
  if (!watch.duplicate.empty())
    return malformed("The field " + in_quotes(watch.duplicate) + " is there more than once.");
  if (!parsed.is_object())
    return malformed("The body has to be a JSON object, as in {\"reason\":\"deploy 4711\"}.");
  return parsed;
}

std::string_view media_type(const Request& request) {
  const std::string* const type = request.headers.find("Content-Type");
  std::string_view bare =
      type == nullptr ? std::string_view() : std::string_view(*type).substr(0, type->find(';'));
  while (bare.ends_with(' '))
    bare.remove_suffix(1);
  return bare;
}

Result<void> check_media_type(const Request& request) {
  if (says_json(request)) return {};
  const std::string_view bare = media_type(request);
  return fail(ErrorKind::unsupported_media_type,
              "The body has to be JSON and to say so: add -H 'Content-Type: application/json'" +
                  (bare.empty() ? "." : "; it came as " + clean_text(bare, 60) + "."));
}

std::string range_text(const FieldSpec& spec) {
  return std::to_string(spec.least) + " to " + std::to_string(spec.most);
}

std::vector<std::string_view> names_of(std::span<const FieldSpec> specs) {
  std::vector<std::string_view> names;
  for (const FieldSpec& spec : specs)
    names.push_back(spec.name);
  return names;
}

const FieldSpec* spec_of(std::span<const FieldSpec> specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [name](const FieldSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

Result<void> check_text(const FieldSpec& spec, const std::string& text) {
  const std::string name(spec.name);
  if (text.size() < static_cast<std::size_t>(spec.least))
    return malformed(name + " must not be empty.");
  if (text.size() > static_cast<std::size_t>(spec.most))
    return malformed(name + " may have at most " + std::to_string(spec.most) + " bytes.");
  if (spec.choices.empty()) return {};
  const auto choices = words_of(spec.choices);
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return {};
  return malformed(name + " has to be one of " + list_names(choices) + ", not " + in_quotes(text) +
                   ".");
}

Result<void> check_value(const FieldSpec& spec, const Json& value) {
  const std::string name(spec.name);
  switch (spec.type) {
    case FieldType::text:
      if (!value.is_string()) return malformed(name + " has to be a string.");
      return check_text(spec, value.get_ref<const std::string&>());
    case FieldType::integer:
      if (!value.is_number_integer() ||
          (value.is_number_unsigned() &&
           value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) ||
          value.get<std::int64_t>() < spec.least || value.get<std::int64_t>() > spec.most)
        return malformed(name + " has to be a whole number from " + range_text(spec) + ".");
      return {};
    case FieldType::boolean:
      if (!value.is_boolean()) return malformed(name + " has to be true or false.");
      return {};
    case FieldType::texts:
      if (!value.is_array() || value.empty() || value.size() > kMostServices)
        return malformed(name + " has to be a list of 1 to 1000 strings.");
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (!value[i].is_string())
          return malformed(name + "[" + std::to_string(i) + "] has to be a string.");
        if (auto checked = check_text(spec, value[i].get_ref<const std::string&>()); !checked)
          return checked;
      }
      return {};
  }
  return {};
}

std::optional<bool> flag_from(std::string_view text) {
  if (text.empty() || text == "1" || text == "true" || text == "yes") return true;
  if (text == "0" || text == "false" || text == "no") return false;
  return std::nullopt;
}

std::optional<std::int64_t> integer_from(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The query's text as the JSON value that the field would have in a body.
Result<Json> value_from_query(const FieldSpec& spec, const std::string& text) {
  switch (spec.type) {
    case FieldType::text:
      return Json(text);
    case FieldType::integer:
      if (const auto value = integer_from(text)) return Json(*value);
      return malformed(std::string(spec.name) + " has to be a whole number from " +
                       range_text(spec) + ".");
    case FieldType::boolean:
      if (const auto value = flag_from(text)) return Json(*value);
      return malformed(std::string(spec.name) + " has to be 1 or 0.");
    case FieldType::texts:
      break;
  }
  return malformed(std::string(spec.name) + " belongs into the body.");
}

int base64url_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64url_digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

}  // namespace

bool says_json(const Request& request) {
  return same_word(media_type(request), "application/json");
}

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> words;
  while (!list.empty()) {
    const auto space = list.find(' ');
    if (space != 0) words.push_back(list.substr(0, space));
    if (space == std::string_view::npos) break;
    list.remove_prefix(space + 1);
  }
  return words;
}

std::string_view nearest_name(std::string_view name, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t best_distance = 4;
  if (name.size() > 64) return best;
  for (const std::string_view candidate : known) {
    const std::size_t distance = edit_distance(lower_ascii(name), candidate);
    if (distance < best_distance && distance * 2 < candidate.size() + 1) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

Result<Json> read_fields(const Request& request, std::span<const FieldSpec> specs) {
  Json fields = Json::object();
  if (!request.body.empty()) {
    if (auto checked = check_media_type(request); !checked) return std::unexpected(checked.error());
    auto parsed = parse_object(request.body);
    if (!parsed) return parsed;
    fields = std::move(*parsed);
  }
  for (const auto& [name, value] : fields.items()) {
    const FieldSpec* const spec = spec_of(specs, name);
    if (spec == nullptr) return malformed(unknown_name("field", name, names_of(specs)));
    if (auto checked = check_value(*spec, value); !checked) return std::unexpected(checked.error());
  }
  for (const Field& parameter : request.query) {
    const FieldSpec* const spec = spec_of(specs, parameter.name);
    if (spec == nullptr) continue;  // check_query() knows it
    if (fields.contains(parameter.name))
      return malformed(std::string(spec->name) + " is given in the query and in the body.");
    auto value = value_from_query(*spec, parameter.value);
    if (!value) return value;
    if (auto checked = check_value(*spec, *value); !checked)
      return std::unexpected(checked.error());
    fields[parameter.name] = std::move(*value);
  }
  return fields;
}

Result<void> check_query(const Request& request, std::string_view known) {
  if (request.query.empty()) return {};
  const auto names = words_of(known);
  for (std::size_t i = 0; i < request.query.size(); ++i) {
    const std::string& name = request.query[i].name;
    if (std::find(names.begin(), names.end(), name) == names.end())
      return malformed(unknown_name("query parameter", name, names));
    for (std::size_t j = 0; j < i; ++j) {
      if (request.query[j].name == name)
        return malformed("The query parameter " + in_quotes(name) + " is there more than once.");
    }
  }
  return {};
}

const std::string* query_value(const Request& request, std::string_view name) {
  for (const Field& parameter : request.query) {
    if (parameter.name == name) return &parameter.value;
  }
  return nullptr;
}

Result<bool> query_flag(const Request& request, std::string_view name) {
  const std::string* const text = query_value(request, name);
  if (text == nullptr) return false;
  if (const auto value = flag_from(*text)) return *value;
  return malformed(std::string(name) + " has to be 1 or 0, not " + in_quotes(*text) + ".");
}

Result<std::optional<std::int64_t>> query_integer(const Request& request, std::string_view name,
                                                  std::int64_t least, std::int64_t most) {
  const std::string* const text = query_value(request, name);
  if (text == nullptr) return std::nullopt;
  const auto value = integer_from(*text);
  if (!value || *value < least || *value > most)
    return malformed(std::string(name) + " has to be a whole number from " + std::to_string(least) +
                     " to " + std::to_string(most) + ", not " + in_quotes(*text) + ".");
  return value;
}

Result<std::optional<WallTime>> query_time(const Request& request, std::string_view name) {
  const std::string* const text = query_value(request, name);
  if (text == nullptr) return std::nullopt;
  std::string stamp = *text;
  // A + that was not escaped has become a space.
  std::replace(stamp.begin(), stamp.end(), ' ', '+');
  const auto time = from_rfc3339(stamp);
  if (!time)
    return malformed(std::string(name) + " has to be a time as 2026-11-23T00:10:02Z, not " +
                     in_quotes(*text) + ".");
  return time;
}

std::optional<std::int64_t> preferred_wait(const Fields& headers) {
  for (const Field& field : headers) {
    if (!same_word(field.name, "Prefer")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      std::string_view preference = rest.substr(0, comma);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      preference = preference.substr(0, preference.find(';'));
      const auto equals = preference.find('=');
      if (equals == std::string_view::npos) continue;
      const auto trimmed = [](std::string_view text) {
        while (text.starts_with(' ') || text.starts_with('\t'))
          text.remove_prefix(1);
        while (text.ends_with(' ') || text.ends_with('\t'))
          text.remove_suffix(1);
        return text;
      };
      if (!same_word(trimmed(preference.substr(0, equals)), "wait")) continue;
      std::string_view value = trimmed(preference.substr(equals + 1));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      if (const auto seconds = integer_from(value); seconds && *seconds >= 0) return seconds;
    }
  }
  return std::nullopt;
}

Result<Waiting> read_waiting(const Request& request, Seconds most) {
  Waiting waiting;
  auto strict = query_flag(request, "strict");
  if (!strict) return std::unexpected(strict.error());
  waiting.strict = *strict;
  auto wait = query_integer(request, "wait", 0, INT32_MAX);
  if (!wait) return std::unexpected(wait.error());
  std::optional<std::int64_t> seconds = *wait;
  if (!seconds) {
    seconds = preferred_wait(request.headers);
    waiting.preference = seconds.has_value();
  }
  waiting.asked = seconds.has_value();
  if (seconds)
    waiting.patience = std::min(Seconds{std::min<std::int64_t>(*seconds, INT32_MAX)}, most);
  if (!seconds && waiting.strict) waiting.patience = most;
  return waiting;
}

Result<std::optional<std::string>> idempotency_key(const Fields& headers) {
  const std::string* const header = headers.find("Idempotency-Key");
  if (header == nullptr) return std::nullopt;
  const auto wrong = [] {
    return malformed(
        "Idempotency-Key has to be 1 to 255 visible ASCII characters, in quotes or without.");
  };
  if (headers.count("Idempotency-Key") > 1) return wrong();
  std::string key = *header;
  if (key.starts_with('"')) {
    std::string inner;
    std::size_t at = 1;
    while (at < key.size() && key[at] != '"') {
      if (key[at] == '\\') ++at;
      if (at == key.size()) return wrong();
      inner += key[at];
      ++at;
    }
    if (at + 1 != key.size()) return wrong();
    key = std::move(inner);
  }
  const bool visible =
      std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (key.empty() || key.size() > 255 || !visible) return wrong();
  return key;
}

std::string make_page_token(std::string_view kind, std::string_view last) {
  return to_base64url(std::string(kind) + "1:" + std::string(last));
}

Result<std::optional<std::string>> read_page_token(const Request& request, std::string_view kind) {
  const std::string* const text = query_value(request, "page_token");
  if (text == nullptr) return std::nullopt;
  const auto decoded = text->size() <= 1024 ? from_base64url(*text) : std::nullopt;
  const std::string prefix = std::string(kind) + "1:";
  if (!decoded || !decoded->starts_with(prefix) || decoded->size() == prefix.size() ||
      clean_text(*decoded, decoded->size()) != *decoded ||
      make_page_token(kind, decoded->substr(prefix.size())) != *text)
    return malformed("page_token is not one that this list gave out; begin again without it.");
  return decoded->substr(prefix.size());
}

Result<std::size_t> read_limit(const Request& request) {
  auto limit = query_integer(request, "limit", 1, 1000);
  if (!limit) return std::unexpected(limit.error());
  return static_cast<std::size_t>(limit->value_or(100));
}

}  // namespace noforce::api
