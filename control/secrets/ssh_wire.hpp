// SSH's binary encoding, as far as keys and certificates are written in it, and its base64. Pure.
// Source: RFC 4251, section 5; RFC 4648.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace envgate::control::secrets {

void append_number(std::string& out, std::uint32_t value);
void append_number(std::string& out, std::uint64_t value);
void append_string(std::string& out, std::string_view bytes);  // its length before it

// A string at the front of `in`, which is taken away. Nothing: it is cut off.
std::optional<std::string_view> take_string(std::string_view& in);

std::string base64(std::string_view bytes);
std::optional<std::string> unbase64(std::string_view text);

}  // namespace envgate::control::secrets
