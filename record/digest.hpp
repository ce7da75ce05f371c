// BLAKE2b-256 of bytes that come in pieces, and bytes as hexadecimal text. Values; thread: any.
// Source: RFC 7693; `b2sum -l 256` computes the same.
#pragma once

#include <sodium.h>

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace envgate::record {

using Digest = std::array<unsigned char, 32>;

class Hasher {
 public:
  Hasher() { restart(); }
  void add(std::string_view bytes);
  Digest end();  // and begins anew

 private:
  void restart();
  crypto_generichash_state state_;
};

Digest digest_of(std::string_view bytes);

std::string to_hex(std::span<const unsigned char> bytes);
// False: not exactly `out.size()` bytes in lower case.
bool from_hex(std::string_view hex, std::span<unsigned char> out);

}  // namespace envgate::record
