// The chunked transfer coding: a strict streaming decoder that copies nothing, and the few bytes of an
// encoder. Data comes out as views of what went in; chunk extensions are dropped; trailer fields are checked,
// filtered and kept until the message has ended.
//
//   for (;;) {
//     auto step = decoder.next(input);
//     input.remove_prefix(step.consumed);
//     if (step.state == Step::have_data) send(step.data);   // lies inside what was consumed
//     else break;                                       // need_more, done or error
//   }
//
// Extensions are skipped, not refused: RFC 9112 section 7.1.1 says MUST ignore, and no target sees them,
// since chunks are framed anew. They are bounded per chunk and per message, and the line must end in exactly
// CRLF: the known attacks need a parser that lets a bare LF end an extension.
// Thread: any. Owns: the trailer section's bytes. Allocates only when trailer fields arrive.
// Source: RFC 9112 section 7.1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/fields.hpp"

namespace envgate::http {

struct ChunkLimits {
  std::uint64_t chunk_size = std::uint64_t{1} << 62;
  std::size_t extension = 256;               // bytes behind one chunk's size
  std::size_t all_extensions = 16 * 1024;    // in one message
  std::size_t trailers = 8 * 1024;           // bytes of the trailer section
  std::size_t trailer_fields = 32;
};

class ChunkedDecoder {
 public:
  struct Step {
    enum State : std::uint8_t { need_more, have_data, done, error } state = need_more;
    std::size_t consumed = 0;
    std::string_view data;
  };

  explicit ChunkedDecoder(const ChunkLimits& limits = default_limits()) : limits_(&limits) {}

  // The next piece of the body in `input`, which begins where the last step's `consumed` ended. After done,
  // what is left of the input belongs to the next message. After error every further call is an error.
  Step next(std::string_view input);

  bool done() const { return state_ == State::done; }
  std::string_view reason() const { return reason_; }  // a literal, where the state is error

  // The trailer fields that may be forwarded; empty before done. Valid until reset or destruction.
  const FieldList& trailers() const { return trailers_; }

  void reset();

 private:
  enum class State : std::uint8_t {
    size, extension, size_lf, data, data_cr, data_lf, trailer_start, trailer, trailer_lf, end_lf, done, error
  };
  static const ChunkLimits& default_limits();

  Step fail(std::size_t consumed, std::string_view reason);
  Step take_data(std::string_view input, std::size_t at);
  // One byte of framing; each returns why it is refused, or nothing.
  std::string_view take_framing(char c);
  std::string_view take_size(char c);
  std::string_view take_extension(char c);
  std::string_view take_trailer(char c);
  std::string_view expect(char c, char wanted, State next, std::string_view reason);
  std::string_view begin_chunk();
  std::string_view finish_trailers();

  const ChunkLimits* limits_;
  State state_ = State::size;
  std::uint8_t digits_ = 0;
  std::uint32_t extension_ = 0, extensions_ = 0;  // bytes: of this chunk, of the message
  std::uint32_t trailer_lines_ = 0;
  std::uint64_t left_ = 0;  // of this chunk: its size while it is read, then its data
  std::string_view reason_;
  std::string trailer_text_;
  FieldList trailers_;
};

// "1a2b\r\n" for a chunk of `size` bytes, which are to be followed by kChunkEnd. Requires: size > 0.
struct ChunkHeader {
  std::array<char, 18> bytes;
  std::uint8_t length;
  std::string_view view() const { return {bytes.data(), length}; }
};
ChunkHeader chunk_header(std::uint64_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";  // without trailers

// The last chunk with its trailer section.
void append_last_chunk(std::string& out, const FieldList& trailers);

}  // namespace envgate::http
