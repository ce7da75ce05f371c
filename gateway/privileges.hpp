// Becoming an unprivileged account, for good. Thread: main's, before any other starts.
#pragma once

#include <string>

#include "base/result.hpp"

namespace envgate::gateway {

// Takes the account's groups, group and user, gives up every capability with them, and the right to get any
// back. Errors: no such account; the kernel refuses. With an empty name only the last part.
Result<void> become(const std::string& account);

}  // namespace envgate::gateway
