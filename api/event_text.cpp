#include "api/event_text.hpp"

#include "api/json_writer.hpp"

namespace noforce::api {

std::string event_text(std::string_view type, std::string_view id, std::string_view data) {
  std::string text;
  text.reserve(data.size() + 96);
  text.append("id: ").append(id).append("\nevent: ").append(type);
  text.append("\ndata: ").append(data).append("\n\n");
  return text;
}

std::string gap_text(std::string_view id) {
  JsonWriter w;
  w.begin_object();
  w.key("detail").string("Events were lost before this one; read /v1/services and /v1/jobs again.");
  w.key("last_event_id").string(id);
  w.end_object();
  return event_text("gap", id, w.text());
}

std::string position_text(std::string_view id) {
  return "id: " + std::string(id) + "\n\n";
}

std::string comment_text(std::string_view text) {
  return ": " + std::string(text) + "\n\n";
}

}  // namespace noforce::api
