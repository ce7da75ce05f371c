// What a gateway logs in to an audited environment's target with, in its customer's stead: a certificate for
// some minutes over a key of the gateway's own, where the target's server is OpenSSH's; else the
// environment's key itself. Each is in the audit, with who asked and for whom. Thread: any; blocks for the
// database.
#pragma once

#include <string>
#include <vector>

#include "control/problem.hpp"
#include "control/secrets/secret_box.hpp"
#include "control/store/database.hpp"

namespace envgate::control {

struct CredentialRequest {
  std::string environment;
  std::string public_blob;                // secrets::ed25519_blob(): the gateway's, for this session
  std::string customer, source, session;  // printable: they are in the certificate's key id and the audit
};

struct OnwardCredential {
  std::string user;
  std::string kind;  // "certificate", "private_key"
  backends::Secret secret;
  std::vector<std::string> host_keys;  // that the target must show; never empty
};

inline constexpr std::chrono::minutes kCertificateLife{5};

// Errors: 404; 409 with the reason: not audited, not running, or its login or host keys are not known yet.
Answer<OnwardCredential> give_credential(store::Database& database, const secrets::SecretBox& box,
                                         const CredentialRequest& request, const std::string& who);

}  // namespace envgate::control
