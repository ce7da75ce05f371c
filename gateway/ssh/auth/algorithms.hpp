// The key types and signature algorithms that are accepted, as two tables; everything else is refused by not
// being in them (ssh-dss, and ssh-rsa as the name of a signature, which is SHA-1).
// Thread: any. Owns: nothing; the tables are constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace envgate::ssh::auth {

enum class KeyType : std::uint8_t {
  ed25519,
  ecdsa_p256,
  ecdsa_p384,
  ecdsa_p521,
  rsa,
  sk_ed25519,
  sk_ecdsa_p256,
};

enum class Mathematics : std::uint8_t { ed25519, ecdsa, rsa };

struct KeyTypeFacts {
  KeyType type;
  Mathematics mathematics;
  bool security_key;                  // FIDO: the key has an application, a signature has flags and a counter
  std::string_view name;              // first string of a key blob
  std::string_view certificate_name;  // first string of a certificate
  std::string_view curve;             // ECDSA: as the blob spells it
  const char* group;                  // ECDSA: as OpenSSL spells it
  std::size_t scalar;                 // Ed25519 and ECDSA: bytes of a coordinate, and of r and s
};

struct SignatureAlgorithm {
  std::string_view name;
  std::string_view certificate_name;  // in the request, where the key comes in a certificate
  KeyType key;
  unsigned digest;  // bits of SHA-2; 0: the algorithm has its own
};

const KeyTypeFacts& facts(KeyType type);
const KeyTypeFacts* key_type_by_name(std::string_view name);  // nullptr: not accepted
const KeyTypeFacts* key_type_by_certificate_name(std::string_view name);
const SignatureAlgorithm* signature_algorithm_by_name(std::string_view name);
const SignatureAlgorithm* signature_algorithm_by_certificate_name(std::string_view name);

// What a stranger sent, for a message: its beginning, in quotes, without what is not printable ASCII.
std::string shown(std::string_view text);

}  // namespace envgate::ssh::auth
