// A user certificate of OpenSSH's, signed with our own authority: opens the targets that trust it, for some
// minutes, to whoever has the private key it names. Pure. Thread: any.
// Source: OpenSSH's PROTOCOL.certkeys; ssh-keygen(1), "CERTIFICATES".
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "control/secrets/ssh_key.hpp"

namespace envgate::control::secrets {

struct CertificateRequest {
  std::string public_blob;  // of an Ed25519 key: ed25519_blob()
  std::uint64_t serial = 0;
  std::string key_id;                   // sshd logs it with each login
  std::vector<std::string> principals;  // at least one: without any it would be good for every name
  std::chrono::sys_seconds valid_after, valid_before;
  std::string force_command;            // empty: none
  std::vector<std::string> extensions;  // "permit-pty", ...
};

// "ssh-ed25519-cert-v01@openssh.com AAAA...", as a file id_ed25519-cert.pub has it.
// Requires: the blob is an Ed25519 key's, and there are principals.
std::string make_certificate(const SshKey& authority, CertificateRequest request);

}  // namespace envgate::control::secrets
