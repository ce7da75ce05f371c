// The algorithms of both legs, most wanted first: post-quantum key exchanges, then X25519 and large groups;
// no SHA-1, no CBC, no MAC before encryption, no compression (which would let a few bytes of a stranger's
// become megabytes here). Strict key exchange is libssh's own. AES-GCM leads because it is what hardware does
// fastest. Source: ssh-audit's policies; FACTS of upload rates.
#pragma once

namespace envgate::ssh::session {

inline constexpr const char* kKeyExchanges =
    "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,"
    "curve25519-sha256@libssh.org,diffie-hellman-group18-sha512,diffie-hellman-group16-sha512";
// A tenant's old server may have nothing else; the groups of NIST are no secret to anyone but in theory.
// sntrup761 stands behind X25519 here: it costs 60 ms of each login (measured, both sides), on a way that is
// the operator's own.
inline constexpr const char* kTargetKeyExchanges =
    "mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org,sntrup761x25519-sha512,"
    "sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,diffie-hellman-group14-sha256";
inline constexpr const char* kCiphers =
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";
inline constexpr const char* kMacs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com";
inline constexpr const char* kTargetMacs =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";

}  // namespace envgate::ssh::session
