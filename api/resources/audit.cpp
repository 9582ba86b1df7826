#include <charconv>

#include "api/input.hpp"
#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"

namespace noforce::api {
namespace {

Result<AuditQuery> read_query(const Request& request) {
  AuditQuery query;
  if (const auto* text = query_value(request, "principal")) query.principal = *text;
  if (const auto* text = query_value(request, "event")) query.event = *text;
  auto since = query_time(request, "since");
  if (!since) return std::unexpected(since.error());
  query.since = *since;
  auto limit = read_limit(request);
  if (!limit) return std::unexpected(limit.error());
  query.limit = *limit;
  auto before = read_page_token(request, "a");
  if (!before) return std::unexpected(before.error());
  if (*before) {
    const std::string& text = **before;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), query.before);
    if (error != std::errc() || end != text.data() + text.size() || query.before == 0)
      return fail(ErrorKind::malformed,
                  "page_token is not one that this list gave out; begin again without it.");
  }
  return query;
}

}  // namespace

Result<Response> list_audit(Context& context) {
  auto query = read_query(context.request);
  if (!query) return std::unexpected(query.error());
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  const std::size_t limit = query->limit;
  ++query->limit;  // one more tells whether there is another page
  auto rows = context.parts.journal.audit_rows(*query);
  if (!rows) return std::unexpected(rows.error());
  const bool more = rows->size() > limit;
  if (more) rows->resize(limit);
  const std::string next =
      more ? make_page_token("a", std::to_string(rows->back().number)) : std::string();
  if (*format == Format::text) {
    std::string text;
    for (const AuditRow& row : *rows)
      text += audit_line(row);
    return text_page(std::move(text), next);
  }
  JsonWriter w(256 + rows->size() * 384);
  w.begin_object().key("items").begin_array();
  for (const AuditRow& row : *rows)
    write_audit_row(w, row);
  w.end_array();
  w.key("next_page_token").string_or_null(next);
  w.end_object();
  return json_response(200, std::move(w).text());
}

}  // namespace noforce::api
