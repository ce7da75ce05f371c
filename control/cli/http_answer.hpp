// The bytes of an HTTP/1.1 answer, piece by piece: the head, and a body by length, in chunks, or until the
// sender closes. It speaks to our own servers, and yet trusts no length. Value; thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate::cli {

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string etag;
  std::string date;  // the server's clock, as IMF-fixdate (RFC 9110 section 5.6.7)
  std::string body;
};

class AnswerReader {
 public:
  // Appends what `bytes` bring of the body to `body`. Errors: what is wrong with them; nothing can be fed
  // after.
  Result<void> feed(std::string_view bytes, std::string& body);
  // The sender has closed. Errors: something is missing.
  Result<void> close() const;

  bool has_head() const { return framing_ != Framing::head; }
  bool complete() const;
  // Status and header fields; the body is the caller's.
  const HttpAnswer& head() const { return head_; }

 private:
  enum class Framing : std::uint8_t { head, length, chunked, until_close };
  enum class Chunk : std::uint8_t { size, data, data_end, trailer, done };
  Result<void> take_head();
  Result<void> take_field(std::string_view line);
  Result<void> take_chunks(std::string& body);

  HttpAnswer head_;
  std::string pending_;  // not understood yet: a part of the head, or of a chunk's frame
  Framing framing_ = Framing::head;
  Chunk chunk_ = Chunk::size;
  std::uint64_t left_ = 0;    // of the body, or of the chunk
  std::uint64_t length_ = 0;  // Content-Length
  std::uint64_t got_ = 0;
  bool has_length_ = false, is_chunked_ = false;
};

// The bytes of a whole answer, closed by its sender. Errors: what is wrong with them.
Result<HttpAnswer> parse_answer(std::string_view bytes);

}  // namespace envgate::cli
