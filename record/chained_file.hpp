// A record while it is written: a file that only grows, and beside it NAME.chain, where each block of it is
// hashed, linked to the block before, and signed as soon as it is whole. What the lines say is the caller's.
//
// The chain follows the file, never the other way round: a block's bytes are on the disk before its line is.
// So a kill -9 at any moment leaves a file of which the chain tells how far it goes. The lock on the chain
// says that the record is open. Nothing here throws. Thread: one, any; calls block as the file system does.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "record/digest.hpp"
#include "record/signing_key.hpp"

namespace envgate::record {

inline constexpr std::string_view kChainSuffix = ".chain";

// Since the record began, by a clock that never goes back. The caller's, so that tests are exact.
using Offset = std::chrono::nanoseconds;

enum class Sync : std::uint8_t {
  block,  // fdatasync(2) at each block's end: a power cut takes the last block only
  end,    // only at the end of the record: a power cut may leave a file that looks changed
};

struct BlockPolicy {
  std::size_t bytes = 64 * 1024;         // a block ends with the piece that reaches this
  std::chrono::milliseconds time{5000};  // or this long after its first piece
  Sync sync = Sync::block;
};

class ChainedFile {
 public:
  // Both files must be new. Not signed without `key`. `name` is of [A-Za-z0-9._-] and has no dot in front.
  // Errors: nothing is left behind.
  static Result<ChainedFile> create(const std::string& directory, const std::string& name,
                                    const SigningKey* key, const BlockPolicy& policy = {});

  // A piece is never divided between blocks. The first one, a header, is a block of its own at once.
  // Errors: the disk is full, say. From then on every call gives the same error and writes nothing: a record
  // has no hole. Whether the session goes on is the caller's to decide (SIGXFSZ is the caller's to ignore).
  Result<void> append(std::string_view piece, Offset at);
  // Ends the block that is due by time.
  Result<void> tick(Offset at);
  // Ends the last block and the chain, and closes both files.
  Result<void> end(Offset at);

  std::uint64_t size() const { return size_; }
  std::optional<Offset> due() const;  // when `tick` has something to do

 private:
  ChainedFile() = default;
  Result<void> usable() const;
  Result<void> stop(Error error);
  Result<void> write_out(std::string_view bytes);
  Result<void> end_block();
  Result<void> add_line(const std::string& line);

  std::string path_;
  Fd file_, chain_;
  const SigningKey* key_ = nullptr;
  BlockPolicy policy_;
  std::optional<Error> failed_;
  std::string buffer_;
  Hasher block_hash_;
  Digest previous_{};
  std::uint64_t blocks_ = 0;
  std::uint64_t size_ = 0;  // with what is in the buffer
  std::uint64_t block_from_ = 0;
  Offset block_began_{}, now_{};
};

// A caller's function as a Result, where a library may throw (std::bad_alloc).
template <typename Function>
auto guarded(Function&& function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& problem) {
    return tl::unexpected(Error{problem.what(), 0});
  }
}

}  // namespace envgate::record
