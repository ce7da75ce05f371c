#include "control/cli/http_answer.hpp"

#include <algorithm>
#include <charconv>

namespace envgate::cli {
namespace {

constexpr std::size_t kLargestHead = 64 * 1024;
constexpr std::size_t kLargestChunkLine = 1024;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

Result<std::uint64_t> read_number(std::string_view text, int base, const char* what) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
    return fail(std::string("the answer's ") + what + " is no number");
  return number;
}

}  // namespace

Result<void> AnswerReader::feed(std::string_view bytes, std::string& body) {
  if (framing_ == Framing::head) {
    pending_.append(bytes);
    if (auto taken = take_head(); !taken || framing_ == Framing::head) return taken;
    // What came behind the head is the body's.
    bytes = {};
    if (framing_ != Framing::chunked) {
      const std::string rest = std::exchange(pending_, {});
      return feed(rest, body);
    }
  }
  if (framing_ == Framing::chunked) {
    pending_.append(bytes);
    return take_chunks(body);
  }
  if (framing_ == Framing::length) bytes = bytes.substr(0, std::min<std::uint64_t>(left_, bytes.size()));
  body.append(bytes);
  got_ += bytes.size();
  left_ -= framing_ == Framing::length ? bytes.size() : 0;
  return {};
}

Result<void> AnswerReader::take_head() {
  const std::size_t end = pending_.find("\r\n\r\n");
  if (end == pending_.npos)
    return pending_.size() > kLargestHead ? fail("this is no HTTP answer: its head is too long")
                                          : Result<void>();
  const std::string_view text = pending_;
  if (!text.starts_with("HTTP/1.1 ") || text.size() < 13) return fail("this is no HTTP answer");
  const auto status = read_number(text.substr(9, 3), 10, "status");
  if (!status || *status < 100) return fail("this is no HTTP answer");
  head_.status = static_cast<int>(*status);
  std::string_view lines = text.substr(0, end + 2);
  for (std::size_t stop; (stop = lines.find("\r\n")) != lines.npos; lines.remove_prefix(stop + 2))
    if (auto taken = take_field(lines.substr(0, stop)); !taken) return taken;
  framing_ = is_chunked_ ? Framing::chunked : has_length_ ? Framing::length : Framing::until_close;
  if (head_.status == 204 || head_.status == 304) framing_ = Framing::length, length_ = 0;
  left_ = framing_ == Framing::length ? length_ : 0;
  pending_.erase(0, end + 4);
  return {};
}

Result<void> AnswerReader::take_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return {};
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(std::min(line.size(), line.find_first_not_of(" \t", colon + 1)));
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  if (same_name(name, "content-type")) head_.content_type = value;
  if (same_name(name, "etag")) head_.etag = value;
  if (same_name(name, "date")) head_.date = value;
  if (same_name(name, "transfer-encoding")) {
    if (!same_name(value, "chunked")) return fail("the answer's Transfer-Encoding is not chunked");
    is_chunked_ = true;
  }
  if (same_name(name, "content-length")) {
    const auto length = read_number(value, 10, "Content-Length");
    if (!length) return tl::unexpected(length.error());
    has_length_ = true;
    length_ = *length;
  }
  return {};
}

// RFC 9112 section 7.1. A frame that is not whole yet stays in pending_.
Result<void> AnswerReader::take_chunks(std::string& body) {
  std::string_view rest = pending_;
  while (!rest.empty() && chunk_ != Chunk::done) {
    if (chunk_ == Chunk::data) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
      body.append(rest.substr(0, take));
      rest.remove_prefix(take);
      got_ += take;
      left_ -= take;
      if (left_ == 0) chunk_ = Chunk::data_end;
      continue;
    }
    const std::size_t end = rest.find("\r\n");
    if (end == rest.npos) {
      if (rest.size() > kLargestChunkLine) return fail("the answer's chunks are malformed");
      break;
    }
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (chunk_ == Chunk::data_end) {
      if (!line.empty()) return fail("the answer's chunks are malformed");
      chunk_ = Chunk::size;
    } else if (chunk_ == Chunk::trailer) {
      if (line.empty()) chunk_ = Chunk::done;
    } else {
      const auto size = read_number(line.substr(0, line.find(';')), 16, "chunk size");
      if (!size) return tl::unexpected(size.error());
      left_ = *size;
      chunk_ = left_ == 0 ? Chunk::trailer : Chunk::data;
    }
  }
  pending_.erase(0, pending_.size() - rest.size());
  return {};
}

bool AnswerReader::complete() const {
  return (framing_ == Framing::length && left_ == 0) ||
         (framing_ == Framing::chunked && chunk_ == Chunk::done);
}

Result<void> AnswerReader::close() const {
  if (framing_ == Framing::head) return fail("this is no HTTP answer");
  if (framing_ == Framing::until_close || complete()) return {};
  const std::string of = framing_ == Framing::length ? " of " + std::to_string(length_) : "";
  return fail("the answer broke off after " + std::to_string(got_) + of + " bytes");
}

Result<HttpAnswer> parse_answer(std::string_view bytes) {
  AnswerReader reader;
  std::string body;
  if (auto fed = reader.feed(bytes, body); !fed) return tl::unexpected(fed.error());
  if (auto closed = reader.close(); !closed) return tl::unexpected(closed.error());
  HttpAnswer answer = reader.head();
  answer.body = std::move(body);
  return answer;
}

}  // namespace envgate::cli
