// Keys, signatures and certificates for these tests: real ones of ssh-keygen's, and ones that it would not
// make, crafted with OpenSSL and the room's own writer.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/ssh/auth/certificate.hpp"
#include "gateway/ssh/auth/public_key.hpp"
#include "gateway/ssh/auth/signature.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::ssh::auth::test {

struct KeyPair {
  PublicKey key;
  std::shared_ptr<EVP_PKEY> secret;
};

// By OpenSSL. A security key's secret is an ordinary one: the tests are its authenticator.
KeyPair make_pair(KeyType type);

struct Assertion {  // what a security key says
  std::uint8_t flags = 0x01;
  std::uint32_t counter = 7;
};

// The blob of `pair`'s signature over `data`, by the algorithm of that name.
std::string sign(const KeyPair& pair, std::string_view algorithm, std::string_view data,
                 Assertion assertion = {});
// The algorithm to sign with by default: rsa-sha2-512 for RSA, else the type's name.
std::string_view algorithm_of(const PublicKey& key);

// `certificate` with the signature of `ca` on it.
Certificate certified(Certificate certificate, const KeyPair& ca);

std::string unhex(std::string_view text);
std::string with_flipped(std::string_view bytes, std::size_t at, std::uint8_t mask);

// A test that needs ssh-keygen, with a directory for its files.
class WithKeygen : public testing::Test {
 protected:
  void SetUp() override;

  // Runs it without a terminal; fails the test where it does not succeed. Returns its output.
  std::string keygen(const std::string& arguments);
  // Makes NAME and NAME.pub, with arguments as "-t rsa -b 2048".
  KeyPair make_file(const std::string& name, const std::string& arguments);
  void write_public(const std::string& name, const PublicKey& key);  // NAME.pub
  // The certificate's blob for NAME.pub, signed by the file `ca`.
  std::string certify(const std::string& ca, const std::string& name, const std::string& arguments);
  std::string path(const std::string& name) const { return directory_.path(name); }

  envgate::test::TempDir directory_;
};

struct FileType {
  std::string_view name;
  std::string_view arguments;
};

// Every type that ssh-keygen can make without an authenticator.
inline constexpr FileType kFileTypes[] = {
    {"ssh-ed25519", "-t ed25519"},
    {"ecdsa-sha2-nistp256", "-t ecdsa -b 256"},
    {"ecdsa-sha2-nistp384", "-t ecdsa -b 384"},
    {"ecdsa-sha2-nistp521", "-t ecdsa -b 521"},
    {"ssh-rsa", "-t rsa -b 2048"},
};

}  // namespace envgate::ssh::auth::test
