#include <array>

#include <nlohmann/json.hpp>

#include "api/input.hpp"
#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

constexpr std::array kHoldFields{
    FieldSpec{"on", FieldType::boolean},
    FieldSpec{"reason", FieldType::text, 0, 4096},
};

Response hold_response(const HoldState& hold, Format format) {
  if (format == Format::text)
    return text_response(
        200, hold.on ? "on by=" + hold.by +
                           " since=" + (hold.since ? to_rfc3339(*hold.since) : std::string("-")) +
                           (hold.reason.empty() ? "" : " reason=" + hold.reason) + "\n"
                     : std::string("off\n"));
  JsonWriter w(160);
  write_hold(w, hold);
  return json_response(200, std::move(w).text());
}

}  // namespace

Result<Response> get_hold(Context& context) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  return hold_response(context.parts.jobs.hold(), *format);
}

Result<Response> set_hold(Context& context) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  auto fields = read_fields(context.request, kHoldFields);
  if (!fields) return std::unexpected(fields.error());
  const bool on = fields->value("on", true);
  if (!on && !context.request.is_local)
    return fail(ErrorKind::forbidden,
                "A hold is released only on the machine itself: run `noforce hold off` there.");
  const std::string reason = clean_text(fields->value("reason", std::string()), 500);
  if (auto done = context.parts.jobs.set_hold(context.caller, on, reason); !done)
    return std::unexpected(done.error());
  return hold_response(context.parts.jobs.hold(), *format);
}

}  // namespace noforce::api
