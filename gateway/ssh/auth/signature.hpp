// Signatures by public key: parsed strictly, verified over data that is built here from its parts, never over
// bytes that the session process put together.
// Thread: any. Owns: its bytes.
// Source: RFC 4252 section 7, RFC 4253 section 6.6, RFC 5656 section 3.1.2, RFC 8332, RFC 8709 section 6;
// OpenSSH's PROTOCOL.u2f.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gateway/ssh/auth/algorithms.hpp"
#include "gateway/ssh/auth/public_key.hpp"

namespace envgate::ssh::auth {

struct Signature {
  const SignatureAlgorithm* algorithm = nullptr;  // of the table: never nullptr in a parsed one
  std::string value;                              // Ed25519: 64 bytes; RSA: big-endian
  std::string r, s;                               // ECDSA: big-endian, without leading zeros, neither is 0
  std::uint8_t flags = 0;                         // of a security key
  std::uint32_t counter = 0;

  bool operator==(const Signature&) const = default;
  std::string blob() const;
};

Result<Signature> parse_signature(std::string_view blob);

// What a security key must say of the one who holds it. Nothing for other keys.
struct Presence {
  bool touched = true;    // user presence
  bool verified = false;  // user verification: a PIN, a finger
};

// That `signature` is `key`'s over `data`. Errors: why it is not.
Result<void> verify(const PublicKey& key, const Signature& signature, std::string_view data,
                    Presence presence = {});

// A request of the method "publickey", as the client sent it, without its key.
struct UserauthRequest {
  std::string_view session_id;  // the exchange hash of the connection's first key exchange
  std::string_view user;
  std::string_view algorithm;  // "rsa-sha2-512", "ssh-ed25519-cert-v01@openssh.com", ...
  std::string_view service = "ssh-connection";
  // Of the method "publickey-hostbound-v00@openssh.com": the blob of the host key that the client saw. Empty:
  // "publickey".
  std::string_view host_key = {};
};

std::string userauth_data(const UserauthRequest& request, std::string_view key_blob);

// That who asks has the private key of `key`. `signature` is the request's last field.
// certificate.hpp has the same for a certificate.
Result<void> verify_userauth(const UserauthRequest& request, const PublicKey& key, std::string_view signature,
                             Presence presence = {});

}  // namespace envgate::ssh::auth
