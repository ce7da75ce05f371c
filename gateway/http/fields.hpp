// Header fields as views: the name, the value, and which of the names that the gateway acts upon it is. A
// name is looked up once, when it is parsed; everything later (framing, stripping, forwarding) compares small
// integers. HTTP/1 and HTTP/2 share these types.
// Thread: any. Owns: nothing; every view points into the buffer that the message was read into.
// Source: RFC 9110 sections 5 (fields), 7.6.1 (Connection), RFC 9113 section 8.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace envgate::http {

// The names with a rule of their own. `other` is any name without one; `underscored` any name with a '_';
// `x_forwarded` any name that begins with "x-forwarded".
enum class FieldId : std::uint8_t {
  other,
  underscored,
  x_forwarded,
  // About this connection only, or about this message's framing: never forwarded as they came.
  connection,
  content_length,
  expect,
  host,
  http2_settings,
  keep_alive,
  proxy_authenticate,
  proxy_authentication_info,
  proxy_authorization,
  proxy_connection,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  // What only the gateway may say of the client: dropped from requests.
  cf_connecting_ip,
  fastly_client_ip,
  forwarded,
  front_end_https,
  proxy,
  proxy_client_ip,
  true_client_ip,
  wl_proxy_client_ip,
  x_client_ip,
  x_cluster_client_ip,
  x_original_forwarded_for,
  x_original_host,
  x_real_ip,
  x_request_id,
  x_scheme,
  x_url_scheme,
  // End to end; a Connection field cannot name them away.
  accept,
  accept_encoding,
  accept_language,
  access_control_request_headers,
  access_control_request_method,
  alt_svc,
  authentication_info,
  authorization,
  cache_control,
  clear_site_data,
  cookie,
  date,
  etag,
  if_match,
  if_modified_since,
  if_none_match,
  if_range,
  if_unmodified_since,
  last_modified,
  location,
  max_forwards,
  origin,
  pragma,
  range,
  referer,
  retry_after,
  server,
  set_cookie,
  strict_transport_security,
  user_agent,
  vary,
  via,
  www_authenticate,
  sec_websocket_accept,
  sec_websocket_extensions,
  sec_websocket_key,
  sec_websocket_protocol,
  sec_websocket_version,
  count_,
};

// In any case of letters.
FieldId field_id(std::string_view name);
// The same where it is already known whether the name has a '_'.
FieldId field_id(std::string_view name, bool has_underscore);

// What a FieldId stands for, in lower case; empty for other, underscored and x_forwarded.
std::string_view field_name(FieldId id);

// True for fields that describe one connection or this message's framing (RFC 9110 section 7.6.1).
constexpr bool is_connection_field(FieldId id) {
  return id >= FieldId::connection && id <= FieldId::upgrade;
}
// True for fields in which a server behind a gateway believes what the client must not be able to say.
constexpr bool is_gateway_field(FieldId id) {
  return id == FieldId::x_forwarded || (id >= FieldId::cf_connecting_ip && id <= FieldId::x_url_scheme);
}

struct Field {
  std::string_view name;
  std::string_view value;  // without the whitespace around it
  FieldId id = FieldId::other;
  bool nominated = false;  // a Connection field named it, and may: it ends here
};

// The fields of one message in their order. Cleared and filled again without giving its memory back.
using FieldList = std::vector<Field>;

inline const Field* find_field(const FieldList& fields, FieldId id) {
  for (const Field& field : fields)
    if (field.id == id) return &field;
  return nullptr;
}

// A name that a Connection field cannot strip: what we forward by rule, and whatever carries credentials,
// content or addressing. Source: RFC 9110 section 7.6.1, and the attacks on proxies that obeyed it blindly.
bool is_protected_from_nomination(std::string_view name, FieldId id);

// A name that must not arrive in a trailer section: framing, routing, credentials, content's own description.
// Source: RFC 9110 section 6.5.1.
bool is_forbidden_in_trailers(std::string_view name, FieldId id);

bool is_token(std::string_view text);  // RFC 9110 section 5.6.2, not empty
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);  // SP and HTAB, both ends

// Takes the next member off a comma-separated list (RFC 9110 section 5.6.1), empty members skipped. False at
// the end. Quoted strings are not understood: for lists of tokens only.
bool next_list_member(std::string_view& list, std::string_view& member);

namespace internal {
inline constexpr std::uint8_t kTokenChar = 1, kUnderscore = 2;
struct NameTable {
  std::uint8_t at[256]{};
  constexpr NameTable() {
    for (int c = '0'; c <= '9'; ++c) at[c] = kTokenChar;
    for (int c = 'a'; c <= 'z'; ++c) at[c] = at[c - 0x20] = kTokenChar;
    for (const char c : std::string_view("!#$%&'*+-.^`|~")) at[static_cast<int>(c)] = kTokenChar;
    at[static_cast<int>('_')] = kTokenChar | kUnderscore;
  }
  constexpr std::uint8_t operator[](unsigned char c) const { return at[c]; }
};
inline constexpr NameTable kNameTable;
}  // namespace internal

}  // namespace envgate::http
