#include "control/secrets/ssh_key.hpp"

#include <sodium.h>

#include "base/check.hpp"
#include "control/secrets/ssh_wire.hpp"

namespace envgate::control::secrets {
namespace {

constexpr std::string_view kType = "ssh-ed25519";
constexpr std::size_t kSeed = crypto_sign_SEEDBYTES, kPublic = crypto_sign_PUBLICKEYBYTES;
constexpr std::size_t kMostLine = 16384;

std::string blob_of(std::string_view key) {
  std::string blob;
  append_string(blob, kType);
  append_string(blob, key);
  return blob;
}

struct Line {
  std::string_view type;
  std::string blob;
};

// "type base64 comment": the blob must begin with its type.
std::optional<Line> read_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (line.size() > kMostLine || space == std::string_view::npos) return std::nullopt;
  if (line.find_first_of("\r\n") != std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(space + 1);
  auto blob = unbase64(rest.substr(0, rest.find(' ')));
  if (!blob) return std::nullopt;
  std::string_view in = *blob;
  const auto type = take_string(in);
  if (!type || *type != line.substr(0, space)) return std::nullopt;
  return Line{line.substr(0, space), std::move(*blob)};
}

}  // namespace

SshKey::~SshKey() { sodium_memzero(secret_.data(), secret_.size()); }

SshKey SshKey::make() {
  CHECK(sodium_init() >= 0);
  SshKey key;
  unsigned char unused[kPublic];
  crypto_sign_keypair(unused, key.secret_.data());
  return key;
}

Result<SshKey> SshKey::of_seed(const backends::Secret& seed) {
  CHECK(sodium_init() >= 0);
  if (seed.reveal().size() != kSeed) return fail("an Ed25519 key's seed is not 32 bytes long");
  SshKey key;
  unsigned char unused[kPublic];
  crypto_sign_seed_keypair(unused, key.secret_.data(),
                           reinterpret_cast<const unsigned char*>(seed.reveal().data()));
  return key;
}

backends::Secret SshKey::seed() const {
  return backends::Secret({reinterpret_cast<const char*>(secret_.data()), kSeed});
}

std::string SshKey::public_blob() const {
  return blob_of({reinterpret_cast<const char*>(secret_.data()) + kSeed, kPublic});
}

std::string SshKey::public_line(std::string_view comment) const {
  std::string line = std::string(kType) + ' ' + base64(public_blob());
  if (!comment.empty()) line.append(" ").append(comment);
  return line;
}

backends::Secret SshKey::private_pem(std::string_view comment) const {
  constexpr std::size_t kBlock = 8, kColumns = 70;  // PROTOCOL.key: cipher "none" pads to 8
  const std::string blob = public_blob();
  std::string inside;
  const std::uint32_t check = randombytes_random();
  append_number(inside, check);
  append_number(inside, check);
  inside += blob;
  append_string(inside, {reinterpret_cast<const char*>(secret_.data()), secret_.size()});
  append_string(inside, comment);
  for (char pad = 1; inside.size() % kBlock != 0; ++pad) inside += pad;
  std::string whole("openssh-key-v1\0", 15);
  append_string(whole, "none");  // cipher
  append_string(whole, "none");  // key derivation
  append_string(whole, "");      // its options
  append_number(whole, std::uint32_t{1});
  append_string(whole, blob);
  append_string(whole, inside);
  std::string text = base64(whole), pem = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  for (std::size_t at = 0; at < text.size(); at += kColumns) pem.append(text, at, kColumns).append("\n");
  pem += "-----END OPENSSH PRIVATE KEY-----\n";
  backends::Secret secret(pem);
  for (std::string* clear : {&inside, &whole, &text, &pem}) sodium_memzero(clear->data(), clear->size());
  return secret;
}

std::string SshKey::sign(std::string_view bytes) const {
  unsigned char raw[crypto_sign_BYTES];
  crypto_sign_detached(raw, nullptr, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                       secret_.data());
  std::string signature;
  append_string(signature, kType);
  append_string(signature, {reinterpret_cast<const char*>(raw), sizeof raw});
  return signature;
}

std::optional<std::string> ed25519_blob(std::string_view text) {
  auto line = read_line(text);
  if (!line || line->type != kType) return std::nullopt;
  std::string_view in = line->blob;
  take_string(in);
  const auto key = take_string(in);
  if (!key || key->size() != kPublic || !in.empty()) return std::nullopt;
  return std::move(line->blob);
}

std::optional<std::string> fingerprint_of(std::string_view text) {
  const auto line = read_line(text);
  if (!line) return std::nullopt;
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, reinterpret_cast<const unsigned char*>(line->blob.data()), line->blob.size());
  std::string shown = base64({reinterpret_cast<const char*>(digest), sizeof digest});
  while (shown.ends_with('=')) shown.pop_back();
  return "SHA256:" + shown;
}

}  // namespace envgate::control::secrets
