// OpenSSL's part: is this point on its curve, is this signature right, SHA-256. What OpenSSL says of a
// failure is taken off its error queue again: the worker's TLS reads that queue. Thread: any. Owns: nothing
// past a call.
#pragma once

#include <string>
#include <string_view>

#include "gateway/ssh/auth/public_key.hpp"

namespace envgate::ssh::auth {

std::string sha256(std::string_view data);

// Requires: fields of the sizes that read_key_fields demands.
bool evp_accepts(const PublicKey& key);

// `signature`: Ed25519's 64 bytes, DER for ECDSA, as many bytes as the modulus has for RSA (PKCS #1 v1.5).
bool evp_verify(const PublicKey& key, unsigned digest_bits, std::string_view data,
                std::string_view signature);

// A DER ECDSA-Sig-Value of r and s, big-endian magnitudes.
std::string ecdsa_der(std::string_view r, std::string_view s);

}  // namespace envgate::ssh::auth
