#include "gateway/ssh/monitor/host_keys.hpp"

#include <algorithm>

#include "gateway/ssh/auth/base64.hpp"
#include "gateway/ssh/auth/evp.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::monitor {
namespace {

constexpr std::string_view kPurpose = "envgate ssh host key 1\n";

std::string_view as_text(std::span<const unsigned char> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<HostKeys> HostKeys::open(const std::string& path) {
  auto secret = record::SigningKey::open(path, true);
  if (!secret) return tl::unexpected(secret.error());
  return HostKeys(*secret);
}

std::string HostKeys::seed_of(std::string_view entry) const {
  const record::Signature signature = secret_.sign(std::string(kPurpose).append(entry));
  return auth::sha256(as_text(signature));
}

std::string HostKeys::public_key_of(std::string_view entry) const {
  const std::string seed = seed_of(entry);
  std::array<unsigned char, 32> bytes;
  std::copy(seed.begin(), seed.end(), bytes.begin());
  return ssh_line(record::SigningKey::from_seed(bytes).public_key());
}

std::string ssh_line(const record::PublicKey& key) {
  auth::Writer blob;
  blob.string("ssh-ed25519").string(as_text(key));
  return "ssh-ed25519 " + auth::base64(blob.bytes());
}

}  // namespace envgate::ssh::monitor
