// Field lines of a head that a HeadScanner accepted. Internal to the HTTP/1 parser.
// Thread: any.
#pragma once

#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http::internal {

// Requires: `lines` holds lines ended by CRLF, the last one empty, and no other control byte but HTAB.
// Errors: `status`, for a line that is not a name, a colon and a value (RFC 9112 section 5).
Verdict parse_field_lines(std::string_view lines, int status, FieldList& out);

}  // namespace envgate::http::internal
