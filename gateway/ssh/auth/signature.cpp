#include "gateway/ssh/auth/signature.hpp"

#include "gateway/ssh/auth/evp.hpp"
#include "gateway/ssh/auth/payloads.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::auth {
namespace {

constexpr std::string_view kPublicKey = "publickey";
constexpr std::string_view kPublicKeyHostBound = "publickey-hostbound-v00@openssh.com";

constexpr std::uint8_t kTouched = 0x01;   // the authenticator's flags: UP
constexpr std::uint8_t kVerified = 0x04;  // UV
constexpr std::size_t kEd25519Size = 64;

Failure cut_short(const SignatureAlgorithm& algorithm) {
  return fail("the " + std::string(algorithm.name) +
              " signature is cut short, or a field of it is not as it must be");
}

Result<void> read_ecdsa(std::string_view value, std::size_t scalar, Signature& out) {
  Reader reader(value);
  std::string_view r, s;
  if (!reader.mpint(r) || !reader.mpint(s) || !reader.at_end()) return cut_short(*out.algorithm);
  // That both are below the group's order is OpenSSL's to see.
  if (r.empty() || s.empty() || r.size() > scalar || s.size() > scalar)
    return fail("a number of the ECDSA signature is out of range");
  out.r = r;
  out.s = s;
  return {};
}

Result<void> read_value(std::string_view value, Signature& out) {
  const KeyTypeFacts& of_type = facts(out.algorithm->key);
  switch (of_type.mathematics) {
    case Mathematics::ecdsa: return read_ecdsa(value, of_type.scalar, out);
    case Mathematics::ed25519:
      if (value.size() != kEd25519Size)
        return fail("an Ed25519 signature has 64 bytes, and not " + std::to_string(value.size()));
      break;
    case Mathematics::rsa:
      if (value.empty() || value.size() > kRsaBitsMax / 8)
        return fail("an RSA signature cannot have " + std::to_string(value.size()) + " bytes");
      break;
  }
  out.value = value;
  return {};
}

// What a security key signed instead of `data`.
std::string asserted(const PublicKey& key, const Signature& signature, std::string_view data) {
  Writer writer;
  writer.raw(sha256(key.application)).byte(signature.flags).uint32(signature.counter).raw(sha256(data));
  return std::move(writer).bytes();
}

// RFC 8332 has the number without padding, some clients with it: OpenSSH takes a short one as if zeros were
// before it. OpenSSL wants exactly the modulus' length.
std::string filled_up(std::string_view value, std::size_t size) {
  return std::string(size - value.size(), '\0') += value;
}

Result<void> check_presence(const Signature& signature, Presence presence) {
  if (presence.touched && !(signature.flags & kTouched))
    return fail("the security key was not touched for this signature");
  if (presence.verified && !(signature.flags & kVerified))
    return fail("the security key did not verify its user for this signature, as is required");
  return {};
}

}  // namespace

std::string Signature::blob() const {
  const KeyTypeFacts& of_type = facts(algorithm->key);
  Writer writer;
  writer.string(algorithm->name);
  if (of_type.mathematics == Mathematics::ecdsa)
    writer.string(Writer().mpint(r).mpint(s).bytes());
  else
    writer.string(value);
  if (of_type.security_key) writer.byte(flags).uint32(counter);
  return std::move(writer).bytes();
}

Result<Signature> parse_signature(std::string_view blob) {
  Reader reader(blob);
  std::string_view name, value;
  if (!reader.string(name)) return fail("the signature is cut short before its algorithm");
  Signature out;
  out.algorithm = signature_algorithm_by_name(name);
  if (name == "ssh-rsa")
    return fail("signatures by ssh-rsa, with SHA-1, are not accepted: use rsa-sha2-256 or rsa-sha2-512");
  if (out.algorithm == nullptr) return fail("signatures by " + shown(name) + " are not accepted");
  if (!reader.string(value)) return cut_short(*out.algorithm);
  if (auto read = read_value(value, out); !read) return tl::unexpected(std::move(read.error()));
  if (facts(out.algorithm->key).security_key && !(reader.byte(out.flags) && reader.uint32(out.counter)))
    return cut_short(*out.algorithm);
  if (!reader.at_end())
    return fail(std::to_string(reader.rest().size()) + " bytes follow the " + std::string(name) +
                " signature");
  return out;
}

Result<void> verify(const PublicKey& key, const Signature& signature, std::string_view data,
                    Presence presence) {
  const SignatureAlgorithm& algorithm = *signature.algorithm;
  if (algorithm.key != key.type)
    return fail("a signature by " + std::string(algorithm.name) + " cannot be of a key of the type " +
                std::string(key.name()));
  const KeyTypeFacts& of_type = facts(key.type);
  std::string assertion;
  if (of_type.security_key) {
    if (auto present = check_presence(signature, presence); !present) return present;
    assertion = asserted(key, signature, data);
    data = assertion;
  }
  std::string value;
  switch (of_type.mathematics) {
    case Mathematics::ed25519: value = signature.value; break;
    case Mathematics::ecdsa: value = ecdsa_der(signature.r, signature.s); break;
    case Mathematics::rsa:
      if (signature.value.size() > key.modulus.size())
        return fail("the signature is longer than its RSA key");
      value = filled_up(signature.value, key.modulus.size());
      break;
  }
  if (!evp_verify(key, algorithm.digest, data, value))
    return fail("the signature is not this key's over this data");
  return {};
}

std::string userauth_data(const UserauthRequest& request, std::string_view key_blob) {
  Writer writer;
  writer.string(request.session_id)
      .byte(kUserauthRequest)
      .string(request.user)
      .string(request.service)
      .string(request.host_key.empty() ? kPublicKey : kPublicKeyHostBound)
      .boolean(true)
      .string(request.algorithm)
      .string(key_blob);
  if (!request.host_key.empty()) writer.string(request.host_key);
  return std::move(writer).bytes();
}

Result<void> verify_userauth(const UserauthRequest& request, const PublicKey& key, std::string_view signature,
                             Presence presence) {
  const auto parsed = parse_signature(signature);
  if (!parsed) return tl::unexpected(parsed.error());
  if (request.algorithm != parsed->algorithm->name)
    return fail("the request says " + shown(request.algorithm) + ", but its signature is by " +
                std::string(parsed->algorithm->name));
  return verify(key, *parsed, userauth_data(request, key.blob()), presence);
}

}  // namespace envgate::ssh::auth
