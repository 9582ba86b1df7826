// What the caller wants to get, and whether what it has is still good.
#pragma once

#include <string>
#include <string_view>

#include "api/server/message.hpp"
#include "core/error.hpp"

namespace noforce::api {

enum class Format : std::uint8_t { json, text };

// JSON unless the Accept header prefers text/plain. not_acceptable when it takes neither.
[[nodiscard]] Result<Format> wanted_format(const Request& request);
// Does the Accept header, if there is one, take this type?
[[nodiscard]] bool accepts(const Request& request, std::string_view type);

// A weak entity tag, W/"...", over text; `without` leaves out one piece of it that only tells the
// time (a view into `text`, or empty).
[[nodiscard]] std::string weak_etag(std::string_view text, std::string_view without = {});
// If-None-Match names it (or is *): the answer is 304.
[[nodiscard]] bool is_not_modified(const Request& request, std::string_view etag);

[[nodiscard]] Response json_response(int status, std::string body);
[[nodiscard]] Response text_response(int status, std::string body);
// A page of a list as text; where there is another one its token is in a header, or who greps the
// lines would take them for all.
[[nodiscard]] Response text_page(std::string body, const std::string& next_page_token);
// With the ETag; 304 without body where the caller has it already.
[[nodiscard]] Response with_etag(const Request& request, Response response, std::string etag);

}  // namespace noforce::api
