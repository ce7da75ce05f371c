// The words that every backend shares: which names it takes, and how a stranger's text becomes part of a
// message. Pure values; usable on any thread.
#pragma once

#include <string>
#include <string_view>

namespace envgate::backends {

bool valid_install(std::string_view text);  // 1 to 16 of [a-z0-9]
bool valid_owner(std::string_view text);    // 1 to 64 of [a-z0-9._-], the first of [a-z0-9]
bool valid_user(std::string_view text);     // 1 to 32 of [a-z0-9_-], the first of [a-z_]
bool one_line(std::string_view text);       // no control characters; may be empty

// At most `most` bytes, with blanks for all that is not printable ASCII.
std::string excerpt(std::string_view text, std::size_t most = 300);

// Without any occurrence of `secret`: a program on the other side may say anything, a password too.
std::string without(std::string text, const std::string& secret);

}  // namespace envgate::backends
