// Times as RFC 3339 text, to the second: `created_at` of a route and `saved_at` of a snapshot. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace envgate::routing {

// "2026-02-02T10:30:00Z", with any fraction (dropped) and any offset; nothing for anything else, or before
// 1970.
std::optional<std::int64_t> parse_timestamp(std::string_view text);
std::string format_timestamp(std::int64_t seconds_since_1970);

}  // namespace envgate::routing
