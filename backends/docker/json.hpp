// An engine's JSON, which is read as a stranger's: an image's labels and a container's own words are in it.
// Depth is bounded before it is parsed, a field that is absent or of another type is the fallback, and
// nothing throws. Pure functions.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "backends/words.hpp"

namespace envgate::backends::docker {

using nlohmann::json;

inline constexpr int kMaxJsonDepth = 64;

// Nothing: not JSON, or nested deeper than kMaxJsonDepth.
std::optional<json> parse_json(std::string_view text);
// The elements of an array one after the other, those that are no objects left out; a long one is never
// whole in memory, where it takes ten times its text. False: not an array, though some may have been taken.
bool parse_each(std::string_view text, const std::function<void(json&&)>& take);
// The text of a body of ours; bytes that are not UTF-8 become U+FFFD.
std::string to_text(const json& value);

// The member at a path, or null.
const json& at(const json& value, std::initializer_list<std::string_view> path);
std::string text_at(const json& value, std::initializer_list<std::string_view> path);
std::uint64_t number_at(const json& value,
                        std::initializer_list<std::string_view> path);  // 0 unless whole and >= 0
bool flag_at(const json& value, std::initializer_list<std::string_view> path);

std::uint64_t whole_number(std::string_view text);  // decimal; 0 where it is none

}  // namespace envgate::backends::docker
