// The gateway's own cookie, found and taken out among those of an environment. A browser keeps a name that
// begins with __Host- for this very host alone (RFC 6265bis section 4.1.3.2): no neighbour under the same
// domain can set one. What is in it is routing/tickets.hpp's.
//
// A Cookie field is divided at ';' as a browser puts it together: quotes mean nothing (RFC 6265 section 5.4).
// Thread: any. Owns: nothing.
#pragma once

#include <string>
#include <string_view>

namespace envgate::http {

inline constexpr std::string_view kPrivateCookie = "__Host-envgate";

// Takes the value of the next cookie of ours off the front of a Cookie field's value. False: no more of them.
bool next_private_cookie(std::string_view& rest, std::string_view& value);

// A Cookie field's value without ours, every other byte as it came; empty where nothing is left. `value`
// itself where it has none, else a view into `scratch`.
std::string_view without_private_cookie(std::string_view value, std::string& scratch);

// Whether a Set-Cookie value would set ours, or (as a cookie without a name) be sent as if it were.
bool sets_private_cookie(std::string_view value);

}  // namespace envgate::http
