// The lines of a chain, as they are written and as they are read back. Each has one form only, byte for byte,
// so that nothing can be hidden in how it is written. Values; thread: any.
//
//   {"chain":1,"record":"<random>","hash":"blake2b-256","key":"<public>","signature":"..."}
//   {"block":1,"from":0,"to":412,"hash":"...","previous":"...","at":4.900000,"signature":"..."}
//   {"end":1,"size":412,"previous":"...","at":9.100000,"signature":"..."}
//
// `previous` is the hash of the line above. A signature is of all that stands before it in its line.
// Without a key, `key` and `signature` are not there.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "record/digest.hpp"
#include "record/signing_key.hpp"

namespace envgate::record {

struct ChainStart {
  std::array<unsigned char, 16> id{};  // so that no block of one record fits into another
  std::optional<PublicKey> key;
};

struct ChainBlock {
  std::uint64_t number = 0;  // from 1 on
  std::uint64_t from = 0, to = 0;
  Digest hash{};
  Digest previous{};
  std::chrono::microseconds at{};  // since the record began
};

struct ChainEnd {
  std::uint64_t blocks = 0;
  std::uint64_t size = 0;
  Digest previous{};
  std::chrono::microseconds at{};
};

// With its newline, signed where there is a key.
std::string line_of(const ChainStart& start, const SigningKey* key);
std::string line_of(const ChainBlock& block, const SigningKey* key);
std::string line_of(const ChainEnd& end, const SigningKey* key);

enum class Read : std::uint8_t {
  good,
  short_,    // it stops in the middle of what may become such a line
  wrong,     // it is no such line
  unsigned_  // such a line, but its signature is not the key's
};

// `line` without its newline. `key`: the one of the chain's start.
Read read_line(std::string_view line, ChainStart& out);
Read read_line(std::string_view line, const std::optional<PublicKey>& key, ChainBlock& out);
Read read_line(std::string_view line, const std::optional<PublicKey>& key, ChainEnd& out);

}  // namespace envgate::record
