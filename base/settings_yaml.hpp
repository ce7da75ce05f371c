// YAML text to a settings Node: the one place that knows yaml-cpp. Plain maps, lists and scalars only;
// anchors, aliases, tags and merge keys are refused, so that no file can grow beyond its own size ("billion
// laughs"), and depth and length are bounded. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/settings_node.hpp"

namespace envgate::settings {

inline constexpr std::size_t kMaxFileBytes = 1 << 20;
inline constexpr int kMaxDepth = 16;

// An empty text is a null Node. Errors: at the line that yaml-cpp, or a limit, stopped at (one: what follows
// a syntax error cannot be trusted).
tl::expected<Node, SettingError> parse_yaml(std::string_view text, const std::string& source);

// Reads a regular file, a pipe or a device up to kMaxFileBytes.
Result<std::string> read_settings_file(const std::string& path);

}  // namespace envgate::settings
