// The hash by which a gateway knows a password that it was never told: crypt(3) with yescrypt, which costs
// whoever has stolen it memory as well as time. Thread: any; a call takes some hundredths of a second.
// Source: crypt(5), crypt_gensalt(3) of libxcrypt.
#pragma once

#include <string>

#include "backends/secret.hpp"
#include "base/result.hpp"

namespace envgate::control::secrets {

// "$y$...": another one at each call, since the salt is random.
Result<std::string> make_verifier(const backends::Secret& password);

bool verifies(const std::string& verifier, const backends::Secret& password);

}  // namespace envgate::control::secrets
