// What the fields of a head say about the connection and the body, gathered in one pass: the part of reading
// a message that requests and responses, HTTP/1 and HTTP/2 have in common. Internal to the parsers.
// Thread: any.
// Source: RFC 9110 sections 7.6.1, 7.8, 8.6, 10.1.1; RFC 9112 section 6.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http::internal {

struct ControlFields {
  const Field* host = nullptr;
  const Field* content_length = nullptr;
  const Field* transfer_encoding = nullptr;
  bool two_hosts = false;
  std::string_view repeated;  // a reason: a framing field that came twice
  // Connection's options.
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool websocket = false;  // Upgrade names it
  bool te_trailers = false;
  bool expect_continue = false;
  bool expect_other = false;
};

// Marks the fields that Connection nominates, too. Fields that came twice are noted here and refused by
// whoever reads them. Errors: `status` for a Connection field that is not a short list of tokens.
Verdict gather_control_fields(FieldList& fields, int status, ControlFields& out);

// 1 to 19 digits, at most 2^63 - 1; no sign, no list. Source: RFC 9110 section 8.6.
bool parse_content_length(std::string_view text, std::uint64_t& out);

// Framing by Transfer-Encoding or Content-Length. Where there is neither, `framing` is left as it is.
// Errors: `status` for anything that two readers could understand differently.
Verdict read_framing(const ControlFields& control, Version version, int status, Framing& framing,
                     std::uint64_t& length);

// The origin form and "*" of a request target, into path and query. Errors: 400.
Verdict read_path(std::string_view target, RequestHead& out);

bool has_target_bytes_only(std::string_view target);

inline constexpr std::size_t kMethodMax = 32;

}  // namespace envgate::http::internal
