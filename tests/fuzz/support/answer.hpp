// What has to be true of everything that the face answers, whatever it was asked.
#pragma once

#include "api/problem.hpp"
#include "api/server/message.hpp"

namespace noforce::fuzz {

// Status, header fields and body fit each other: JSON parses, text is text, a problem says what it
// has to, and nothing that came from the caller can end a header field.
void expect_well_formed(const api::Response& response);

// The same for a problem on its way out; its detail has to be a sentence.
void expect_well_formed(const api::Problem& problem);

}  // namespace noforce::fuzz
