// SHA-256 of what is moved of a file, as it goes by, and only where it goes by from the start on without a
// gap: what comes out of that order gives the hash up for good. Thread: any one at a time. Owns: OpenSSL's
// context, from the first byte on.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/freed.hpp"

namespace envgate::ssh::session {

class FileHash {
 public:
  // Bytes from `offset` on are about to be added. False: they do not follow, and the hash is given up.
  bool follows(std::uint64_t offset);
  void add(std::string_view bytes);
  void give_up() { given_up_ = true; }

  std::uint64_t size() const { return size_; }  // bytes added
  std::string hexadecimal();                    // of all that was added; empty where it was given up

 private:
  std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> context_;
  std::uint64_t size_ = 0;
  bool given_up_ = false;
};

}  // namespace envgate::ssh::session
