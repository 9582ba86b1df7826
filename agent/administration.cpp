#include "agent/administration.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "agent/files.hpp"
#include "agent/local_socket.hpp"
#include "agent/lock.hpp"
#include "agent/process.hpp"
#include "core/digest.hpp"
#include "core/text.hpp"

namespace noforce::agent {
namespace {

using nlohmann::json;

constexpr std::size_t longest_reason = 500;
constexpr std::uint64_t most_audit_rows = 1000;
constexpr std::size_t longest_answered_line = 8192;
constexpr int deepest_answer = 8;

json time_or_null(const std::optional<WallTime>& time) {
  return time ? json(to_rfc3339(*time)) : json(nullptr);
}

json to_json(const TokenRecord& token) {
  return {{"name", token.name},
          {"role", to_string(token.role)},
          {"services", token.services},
          {"actions", token.actions},
          {"created_at", to_rfc3339(token.created_at)},
          {"expires_at", time_or_null(token.expires_at)},
          {"revoked_at", time_or_null(token.revoked_at)}};
}

json to_json(const AuditRow& row) {
  return {{"number", row.number},
          {"at", to_rfc3339(row.at)},
          {"principal", row.entry.principal},
          {"address", row.entry.address},
          {"event", row.entry.event},
          {"outcome", row.entry.outcome},
          {"job", row.entry.job.empty() ? json(nullptr) : json(row.entry.job)},
          {"services", row.entry.services},
          {"detail", row.entry.detail},
          {"count", row.entry.count}};
}

// Text that is missing is empty; anything else that is no text is refused.
Result<std::string> text_of(const json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end() || found->is_null()) return std::string();
  if (!found->is_string()) {
    return fail(ErrorKind::malformed, "'" + std::string(key) + "' has to be text");
  }
  return found->get<std::string>();
}

Result<std::vector<std::string>> texts_of(const json& request, const char* key) {
  std::vector<std::string> texts;
  const auto found = request.find(key);
  if (found == request.end() || found->is_null()) return texts;
  const bool fits = found->is_array() && std::ranges::all_of(*found, [](const json& element) {
                      return element.is_string();
                    });
  if (!fits) return fail(ErrorKind::malformed, "'" + std::string(key) + "' has to be a list");
  return found->get<std::vector<std::string>>();
}

Result<json> create_token(const AdministrationParts& parts, const std::string& by,
                          const json& request) {
  const auto name = text_of(request, "name");
  const auto role_name = text_of(request, "role");
  const auto services = texts_of(request, "services");
  const auto actions = texts_of(request, "actions");
  for (const auto* text : {&name, &role_name}) {
    if (!*text) return std::unexpected(text->error());
  }
  for (const auto* texts : {&services, &actions}) {
    if (!*texts) return std::unexpected(texts->error());
  }
  const auto role = role_from(*role_name);
  if (!role) {
    return fail(ErrorKind::malformed, "'" + clean_text(*role_name, 80) +
                                          "' is no role; there are viewer, operator and admin");
  }
  std::optional<WallTime> expires_at;
  if (const auto seconds = request.find("expires_s");
      seconds != request.end() && !seconds->is_null()) {
    constexpr std::int64_t longest = 10LL * 366 * 86'400;
    if (!seconds->is_number_integer() || seconds->get<std::int64_t>() < 1 ||
        seconds->get<std::int64_t>() > longest) {
      return fail(ErrorKind::malformed, "a token expires after 1 second to 10 years, or never");
    }
    expires_at = system_clock().wall() + Seconds(seconds->get<std::int64_t>());
  }
  auto made = parts.credentials.create(*name, *role, *services, *actions, expires_at, by);
  if (!made) return std::unexpected(made.error());
  const Wiped wiped(made->secret);
  json result = to_json(made->record);
  result["secret"] = made->secret;
  return result;
}

Result<json> revoke_token(const AdministrationParts& parts, const std::string& by,
                          const json& request) {
  const auto name = text_of(request, "name");
  if (!name) return std::unexpected(name.error());
  if (auto revoked = parts.credentials.revoke(*name, by); !revoked) {
    return std::unexpected(revoked.error());
  }
  return json::object();
}

Result<json> list_tokens(const AdministrationParts& parts) {
  json tokens = json::array();
  for (const TokenRecord& token : parts.credentials.list())
    tokens.push_back(to_json(token));
  return tokens;
}

Result<json> hold_status(const AdministrationParts& parts) {
  const auto hold = parts.journal.hold();
  if (!hold) return std::unexpected(hold.error());
  return json{{"on", hold->on},
              {"by", hold->by},
              {"reason", hold->reason},
              {"since", time_or_null(hold->since)}};
}

Result<json> set_hold(const AdministrationParts& parts, const std::string& by, bool on,
                      const json& request) {
  const auto reason = text_of(request, "reason");
  if (!reason) return std::unexpected(reason.error());
  const std::string cleaned = clean_text(*reason, longest_reason);
  Result<void> set;
  if (parts.jobs != nullptr) {
    const Caller caller{.principal = {.name = by, .role = Role::admin}, .address = "local"};
    set = parts.jobs->set_hold(caller, on, cleaned);
  } else {
    set =
        parts.journal.set_hold({.on = on,
                                .by = by,
                                .reason = cleaned,
                                .since = on ? std::optional(system_clock().wall()) : std::nullopt},
                               {.principal = by,
                                .address = "local",
                                .event = on ? "hold.on" : "hold.off",
                                .outcome = "ok",
                                .detail = cleaned});
  }
  if (!set) return std::unexpected(set.error());
  if (!on && parts.hold_released) parts.hold_released();
  return hold_status(parts);
}

Result<json> show_audit(const AdministrationParts& parts, const json& request) {
  AuditQuery query;
  if (const auto limit = request.find("limit"); limit != request.end()) {
    if (!limit->is_number_unsigned() || limit->get<std::uint64_t>() < 1 ||
        limit->get<std::uint64_t>() > most_audit_rows) {
      return fail(ErrorKind::malformed, "'limit' goes from 1 to 1000");
    }
    query.limit = limit->get<std::size_t>();
  }
  const auto rows = parts.journal.audit_rows(query);
  if (!rows) return std::unexpected(rows.error());
  json result = json::array();
  for (const AuditRow& row : *rows)
    result.push_back(to_json(row));
  return result;
}

Result<json> verify_audit(const AdministrationParts& parts) {
  const auto verdict = parts.journal.verify_audit();
  if (!verdict) return std::unexpected(verdict.error());
  return json{{"rows", verdict->rows},
              {"first_bad", verdict->first_bad ? json(*verdict->first_bad) : json(nullptr)},
              {"head", verdict->head},
              {"sentence", verdict->sentence}};
}

Result<json> reload(const AdministrationParts& parts, const std::string& by) {
  if (!parts.reload) {
    return fail(ErrorKind::scm_unavailable,
                "no agent runs, so there is nothing to reload; the next `noforce serve` reads the "
                "settings anyway");
  }
  auto said = parts.reload(by);
  if (!said) return std::unexpected(said.error());
  return json{{"sentence", std::move(*said)}};
}

Result<json> carry_out(const AdministrationParts& parts, const std::string& by,
                       const json& request) {
  const auto what = text_of(request, "do");
  if (!what) return std::unexpected(what.error());
  if (*what == "token.create") return create_token(parts, by, request);
  if (*what == "token.list") return list_tokens(parts);
  if (*what == "token.revoke") return revoke_token(parts, by, request);
  if (*what == "hold.on") return set_hold(parts, by, true, request);
  if (*what == "hold.off") return set_hold(parts, by, false, request);
  if (*what == "hold.status") return hold_status(parts);
  if (*what == "audit.show") return show_audit(parts, request);
  if (*what == "audit.verify") return verify_audit(parts);
  if (*what == "reload") return reload(parts, by);
  return fail(ErrorKind::malformed, "the agent does not know '" + clean_text(*what, 80) + "'");
}

// Of a token that was just made.
void wipe_secret(json& result) {
  if (!result.is_object()) return;
  if (const auto secret = result.find("secret"); secret != result.end() && secret->is_string()) {
    wipe(secret->get_ref<std::string&>());
  }
}

std::string to_line(Result<json> answer) {
  json line;
  if (answer) {
    line = {{"ok", true}};
    line["result"] = std::move(*answer);
  } else {
    line = {
        {"ok", false},
        {"error", {{"code", to_string(answer.error().kind)}, {"detail", answer.error().detail}}}};
  }
  std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace);
  if (const auto result = line.find("result"); result != line.end()) wipe_secret(*result);
  return text;
}

bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

// Line by line: a refused reload has one for each mistake.
std::string clean_lines(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += clean_text(std::string_view(text).substr(at, end - at), longest_answered_line);
    if (end < text.size()) out += '\n';
    at = end + 1;
  }
  return out;
}

// What the agent's user answers goes to root's terminal: no text may move its cursor.
void clean_texts(json& answer) {  // NOLINT(misc-no-recursion): bounded by deepest_answer
  if (answer.is_string()) {
    auto& text = answer.get_ref<std::string&>();
    // Mostly there is nothing to do, and a secret is not copied.
    if (!std::ranges::all_of(text, is_printable)) text = clean_lines(text);
  } else if (answer.is_structured()) {
    for (json& element : answer)
      clean_texts(element);
  }
}

Result<json> from_line(std::string_view line) {
  json answer = json::parse(
      line, [](int depth, json::parse_event_t, json&) { return depth <= deepest_answer; }, false);
  clean_texts(answer);
  const auto broken = [] {
    return fail(ErrorKind::internal, "the agent's answer cannot be read; is it of this version?");
  };
  if (!answer.is_object() || !answer.contains("ok")) return broken();
  if (answer["ok"] == true && answer.contains("result")) return answer["result"];
  const auto error = answer.find("error");
  if (error == answer.end() || !error->is_object()) return broken();
  return fail(error_kind_from(error->value("code", "")).value_or(ErrorKind::internal),
              error->value("detail", "the agent refused, and did not say why"));
}

// While no agent runs: the same, on the journal itself.
Result<json> carry_out_here(const StateDir& state, const json& request) {
  if (!exists(state.path())) {
    return fail(ErrorKind::not_found, "there is no " + state.path() +
                                          "; make it with `noforce init --state-dir " +
                                          state.path() + "`, or name the right one");
  }
  if (auto good = prepare_private_directory(state.path()); !good) {
    return std::unexpected(good.error());
  }
  const Result<Lock> lock = Lock::take(state.lock());
  if (!lock) return std::unexpected(lock.error());
  const auto journal = Journal::open(state.journal());
  if (!journal) return std::unexpected(journal.error());
  Credentials credentials(**journal, system_clock());
  if (auto loaded = credentials.load(); !loaded) return std::unexpected(loaded.error());
  return from_line(
      administer({.journal = **journal, .credentials = credentials}, this_user(), request.dump()));
}

}  // namespace

std::string administer(const AdministrationParts& parts, const std::string& user,
                       std::string_view request) {
  try {
    const json parsed = json::parse(request, nullptr, false);
    if (!parsed.is_object()) {
      return to_line(fail(ErrorKind::malformed, "a request is one JSON object on one line"));
    }
    return to_line(carry_out(parts, "local:" + user, parsed));
  } catch (const std::exception& problem) {
    return to_line(fail(ErrorKind::internal, clean_text(problem.what(), 300)));
  }
}

Result<json> ask(const StateDir& state, const json& request) {
  const auto answer = ask_local(state.socket(), request.dump());
  if (answer) return from_line(*answer);
  if (answer.error().kind != ErrorKind::not_found) return std::unexpected(answer.error());
  Result<json> here = carry_out_here(state, request);
  if (!here && here.error().kind == ErrorKind::busy) {
    return fail(ErrorKind::scm_unavailable, here.error().detail + ", and it does not listen on " +
                                                state.socket() + " (yet, or any more); try again");
  }
  return here;
}

}  // namespace noforce::agent
