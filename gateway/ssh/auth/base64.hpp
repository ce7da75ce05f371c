// Base64 as authorized_keys has it. Thread: any. Source: RFC 4648 section 4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace envgate::ssh::auth {

std::string base64(std::string_view bytes);
// Nothing: not the one way to write these bytes (padding is due, and bits that carry nothing are zero).
std::optional<std::string> from_base64(std::string_view text);

}  // namespace envgate::ssh::auth
