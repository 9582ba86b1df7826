// Server-sent events as text (the HTML standard, 9.2).
#pragma once

#include <string>
#include <string_view>

namespace noforce::api {

// "id: ...\nevent: job\ndata: {...}\n\n"; `data` is one line.
[[nodiscard]] std::string event_text(std::string_view type, std::string_view id,
                                     std::string_view data);
// Events were lost, or nobody knows which: the client should read the resources anew.
[[nodiscard]] std::string gap_text(std::string_view id);
// Moves the client's Last-Event-ID on without an event.
[[nodiscard]] std::string position_text(std::string_view id);
[[nodiscard]] std::string comment_text(std::string_view text);

}  // namespace noforce::api
