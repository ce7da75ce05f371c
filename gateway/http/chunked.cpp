#include "gateway/http/chunked.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/http/h1_bytes.hpp"
#include "gateway/http/h1_lines.hpp"

namespace envgate::http {
namespace {

constexpr std::size_t kSizeDigitsMax = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

const ChunkLimits& ChunkedDecoder::default_limits() {
  static constexpr ChunkLimits limits;
  return limits;
}

void ChunkedDecoder::reset() {
  state_ = State::size;
  digits_ = 0;
  extension_ = extensions_ = trailer_lines_ = 0;
  left_ = 0;
  reason_ = {};
  trailer_text_.clear();
  trailers_.clear();
}

ChunkedDecoder::Step ChunkedDecoder::fail(std::size_t consumed, std::string_view reason) {
  state_ = State::error;
  reason_ = reason;
  return {Step::error, consumed, {}};
}

ChunkedDecoder::Step ChunkedDecoder::take_data(std::string_view input, std::size_t at) {
  const std::string_view data = input.substr(at, std::min<std::uint64_t>(left_, input.size() - at));
  left_ -= data.size();
  if (left_ == 0) state_ = State::data_cr;
  return {Step::have_data, at + data.size(), data};
}

ChunkedDecoder::Step ChunkedDecoder::next(std::string_view input) {
  std::size_t at = 0;
  for (;;) {
    if (state_ == State::done) return {Step::done, at, {}};
    if (state_ == State::error) return {Step::error, at, {}};
    if (at == input.size()) return {Step::need_more, at, {}};
    if (state_ == State::data) return take_data(input, at);
    if (const auto reason = take_framing(input[at]); !reason.empty()) return fail(at, reason);
    ++at;
  }
}

std::string_view ChunkedDecoder::take_framing(char c) {
  switch (state_) {
    case State::size: return take_size(c);
    case State::extension: return take_extension(c);
    case State::size_lf: return c == '\n' ? begin_chunk() : "bare_cr";
    case State::data_cr: return expect(c, '\r', State::data_lf, "chunk_longer_than_its_size");
    case State::data_lf: return expect(c, '\n', State::size, "bare_cr");
    case State::trailer_start:
    case State::trailer: return take_trailer(c);
    case State::trailer_lf: trailer_text_ += '\n'; return expect(c, '\n', State::trailer_start, "bare_cr");
    case State::end_lf: return c == '\n' ? finish_trailers() : "bare_cr";
    case State::data:
    case State::done:
    case State::error: break;
  }
  return {};
}

std::string_view ChunkedDecoder::expect(char c, char wanted, State next, std::string_view reason) {
  if (c != wanted) return reason;
  state_ = next;
  return {};
}

std::string_view ChunkedDecoder::take_size(char c) {
  if (const int value = hex_value(c); value >= 0) {
    if (++digits_ > kSizeDigitsMax) return "chunk_size_too_long";
    left_ = left_ << 4 | static_cast<std::uint64_t>(value);
    return left_ > limits_->chunk_size ? "chunk_too_large" : "";
  }
  if (digits_ == 0) return "bad_chunk_size";
  if (c == '\r') state_ = State::size_lf;
  else if (c == ';') state_ = State::extension;
  else return c == '\n' ? "bare_lf" : "bad_chunk_size";
  return {};
}

std::string_view ChunkedDecoder::take_extension(char c) {
  if (c == '\r') {
    state_ = State::size_lf;
    return {};
  }
  if (internal::is_control(static_cast<unsigned char>(c)))
    return c == '\n' ? "bare_lf" : "bad_chunk_extension";
  if (++extension_ > limits_->extension || ++extensions_ > limits_->all_extensions)
    return "chunk_extensions_too_long";
  return {};
}

std::string_view ChunkedDecoder::begin_chunk() {
  state_ = left_ == 0 ? State::trailer_start : State::data;
  digits_ = 0;
  extension_ = 0;
  return {};
}

std::string_view ChunkedDecoder::take_trailer(char c) {
  if (c == '\r' && state_ == State::trailer_start) {
    state_ = State::end_lf;
    return {};
  }
  if (c != '\r' && internal::is_control(static_cast<unsigned char>(c)))
    return c == '\n' ? "bare_lf" : "control_byte";
  if (state_ == State::trailer_start && ++trailer_lines_ > limits_->trailer_fields)
    return "too_many_trailers";
  if (trailer_text_.size() >= limits_->trailers) return "trailers_too_long";
  trailer_text_ += c;
  state_ = c == '\r' ? State::trailer_lf : State::trailer;
  return {};
}

std::string_view ChunkedDecoder::finish_trailers() {
  state_ = State::done;
  if (trailer_text_.empty()) return {};
  trailer_text_ += "\r\n";
  if (const auto verdict = internal::parse_field_lines(trailer_text_, 400, trailers_); !verdict.ok()) {
    trailers_.clear();
    return verdict.reason;
  }
  std::erase_if(trailers_, [](const Field& field) { return is_forbidden_in_trailers(field.name, field.id); });
  return {};
}

ChunkHeader chunk_header(std::uint64_t size) {
  ChunkHeader header;
  char* const end = std::to_chars(header.bytes.data(), header.bytes.data() + 16, size, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  header.length = static_cast<std::uint8_t>(end + 2 - header.bytes.data());
  return header;
}

void append_last_chunk(std::string& out, const FieldList& trailers) {
  out += "0\r\n";
  for (const Field& field : trailers) out.append(field.name).append(": ").append(field.value).append("\r\n");
  out += "\r\n";
}

}  // namespace envgate::http
