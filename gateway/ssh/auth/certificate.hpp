// An OpenSSH certificate as a value. Parsing it says that it is well-formed and nothing more: whether it is
// to be believed is decided in decision.hpp.
// Thread: any. Owns: its bytes.
// Source: OpenSSH's PROTOCOL.certkeys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "gateway/ssh/auth/public_key.hpp"
#include "gateway/ssh/auth/signature.hpp"

namespace envgate::ssh::auth {

inline constexpr std::size_t kCertificateMax = 64 * 1024;  // bytes
inline constexpr std::size_t kPrincipalsMax = 256;         // as in OpenSSH
inline constexpr std::size_t kOptionsMax = 64;             // of either kind
inline constexpr std::size_t kKeyIdMax = 256;              // bytes

enum class Refusal : std::uint8_t {
  malformed,
  nested,         // the CA's key is itself a certificate
  not_for_users,  // a host's certificate
  ca_not_trusted,
  bad_signature,
  bad_key_id,
  no_principals,
  wrong_principal,
  not_yet_valid,
  expired,
  options_order,
  unknown_critical_option,
  bad_option,
  source_address,
  cannot_verify_user,  // verify-required, for a key that is no security key
};

std::string_view name(Refusal refusal);  // in snake_case, for logs and metrics

struct Refused {
  Refusal reason = Refusal::malformed;
  std::string text;  // for the customer and the operator
};

struct CertificateOption {
  std::string name;
  std::string data;  // as its own encoding has it, with the length of a string in it

  bool operator==(const CertificateOption&) const = default;
};

struct Certificate {
  static constexpr std::uint32_t kUser = 1;
  static constexpr std::uint32_t kHost = 2;

  PublicKey key;
  std::string nonce;
  std::uint64_t serial = 0;
  std::uint32_t kind = kUser;
  std::string key_id;
  std::vector<std::string> principals;
  std::uint64_t valid_after = 0;   // seconds since 1970; from this one on
  std::uint64_t valid_before = 0;  // and before this one
  std::vector<CertificateOption> critical_options;
  std::vector<CertificateOption> extensions;
  std::string reserved;
  PublicKey ca;
  Signature signature;

  bool operator==(const Certificate&) const = default;
  std::string signed_part() const;
  std::string blob() const;
};

tl::expected<Certificate, Refused> parse_certificate(std::string_view blob);

// That who asks has the private key that is in `certificate`: nothing of whether that is to be believed.
Result<void> verify_userauth(const UserauthRequest& request, const Certificate& certificate,
                             std::string_view signature, Presence presence = {});

}  // namespace envgate::ssh::auth
