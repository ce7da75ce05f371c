// Holds a record against its chain. Found: any byte of either that is not as it was written, what is missing
// from the middle, what was put in, another order, blocks of another record. Told apart: a record that merely
// stops, as a crash leaves it. Reads the record once, in pieces. Values; thread: any.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "record/signing_key.hpp"

namespace envgate::record {

enum class State : std::uint8_t {
  whole,    // from its header to its end
  cut_off,  // as it was written, as far as the chain goes; there is no end
  changed,
};

enum class Signer : std::uint8_t {
  known,    // the key that was given
  unasked,  // the key that the chain names; none was given to compare it with
  unknown,  // another than the one given
  none,     // not signed: anybody could have written the chain
};

struct Verdict {
  State state = State::changed;
  Signer signer = Signer::none;
  std::optional<PublicKey> key;  // that the chain names
  std::uint64_t blocks = 0;      // that are as they were written
  std::uint64_t covered = 0;     // bytes of those
  std::uint64_t uncovered = 0;   // bytes behind them, where it is cut off
  std::uint64_t changed_at = 0;  // the block; 0: the chain's own start
  std::string why;               // where it is changed
  bool open = false;             // somebody writes it still

  bool good() const {
    return state == State::whole && (signer == Signer::known || signer == Signer::unasked);
  }
  std::string words() const;  // for people: "whole, ...", "cut off: ...", "changed at block 3: ..."
};

// Gives up to `size` bytes from `at` on, fewer only at the end. Errors: it cannot be read.
using ReadAt = std::function<Result<std::size_t>(std::uint64_t at, char* to, std::size_t size)>;

// Errors: as `read`.
Result<Verdict> verify(const ReadAt& read, std::uint64_t size, std::string_view chain,
                       const std::optional<PublicKey>& key);
// Of a record and PATH.chain. Errors: the record is not there (code ENOENT) or cannot be read.
Result<Verdict> verify_file(const std::string& path, const std::optional<PublicKey>& key);

}  // namespace envgate::record
