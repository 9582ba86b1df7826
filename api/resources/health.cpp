#include "api/contract.hpp"
#include "api/json_writer.hpp"
#include "api/negotiation.hpp"
#include "api/resources/resources.hpp"

namespace noforce::api {

Result<Response> get_health(Context&) {
  return json_response(200, R"({"status":"alive"})");
}

Result<Response> get_readiness(Context& context) {
  if (auto ready = context.parts.jobs.ready(); !ready) return std::unexpected(ready.error());
  return json_response(200, R"({"status":"ready"})");
}

namespace {

Response contract_response(const Request& request, std::string_view text, std::string_view type) {
  Response response;
  response.content_type = type;
  response.body = text;
  response.headers.add("X-Content-Type-Options", "nosniff");
  static const std::string yaml_tag = weak_etag(contract_yaml());
  static const std::string json_tag = weak_etag(contract_json());
  const bool is_yaml = text.data() == contract_yaml().data();
  return with_etag(request, std::move(response), is_yaml ? yaml_tag : json_tag);
}

}  // namespace

Result<Response> get_contract_yaml(Context& context) {
  return contract_response(context.request, contract_yaml(), "application/yaml");
}

Result<Response> get_contract_json(Context& context) {
  return contract_response(context.request, contract_json(), "application/json");
}

}  // namespace noforce::api
