// A public key as a value: parsed from SSH's blob, or from a line of authorized_keys. Only what can be used
// is ever parsed: the type is accepted, an EC point is on its curve, RSA is of a fit size; and a key has one
// encoding only, so that keys are equal where their blobs are.
// Thread: any. Owns: its bytes.
// Source: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4; OpenSSH's PROTOCOL.u2f.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gateway/ssh/auth/algorithms.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::auth {

inline constexpr std::size_t kRsaBitsMin = 2048;
inline constexpr std::size_t kRsaBitsMax = 16384;    // OpenSSL verifies with none larger
inline constexpr std::size_t kExponentBytesMax = 8;  // nor with a larger exponent, above 3072 bits
inline constexpr std::size_t kApplicationMax = 255;

struct PublicKey {
  KeyType type = KeyType::ed25519;
  std::string point;     // Ed25519: its 32 bytes; ECDSA: uncompressed, 04 x y
  std::string exponent;  // RSA: both big-endian, without leading zeros
  std::string modulus;
  std::string application;  // of a security key: "ssh:", or what the customer chose

  bool operator==(const PublicKey&) const = default;
  std::string_view name() const { return facts(type).name; }
  std::string blob() const;
  std::string fingerprint() const;  // "SHA256:" and 43 characters, as OpenSSH prints it
};

// Errors: what is wrong with the key, for the customer and the operator.
Result<PublicKey> parse_public_key(std::string_view blob);

struct AuthorizedKey {
  PublicKey key;
  std::string comment;
};

// "type base64 comment". Options before the type are refused, all of them: an option that was passed over
// could be one that restricts.
// Requires: `line` without its line end. Errors: also for an empty line and one that is only a comment.
Result<AuthorizedKey> parse_authorized_key(std::string_view line);

// A key's fields behind the type, as they stand in its blob, and behind the nonce in a certificate.
Result<PublicKey> read_key_fields(Reader& reader, KeyType type);
void write_key_fields(Writer& writer, const PublicKey& key);

}  // namespace envgate::ssh::auth
