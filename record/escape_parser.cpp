#include "record/escape_parser.hpp"

#include "base/utf8.hpp"

namespace envgate::record {
namespace {

constexpr unsigned char kEscape = 0x1b, kCancel = 0x18, kSubstitute = 0x1a;
constexpr std::size_t kLongest = 128;
constexpr std::size_t kLongestString = 64 * 1024;  // one without an end does not hide all that follows

bool is_c1(std::string_view utf8) {
  return utf8.size() == 2 && utf8[0] == '\xc2' && static_cast<unsigned char>(utf8[1]) < 0xa0;
}

}  // namespace

std::string Sequence::text() const {
  return (csi ? "\x1b[" : "\x1b") + parameters + intermediates + std::string(1, final);
}

void EscapeParser::parse(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const std::size_t length = utf8_length(bytes, at);
    if (first < 0x80 || length == 0) {
      if (first < 0x80) byte(first);
      ++at;
      continue;
    }
    const std::string_view character = bytes.substr(at, length);
    at += length;
    if (where_ == Where::string || where_ == Where::string_escape) {
      for (std::size_t i = 0; i < length; ++i) string_byte('x');
      continue;
    }
    where_ = Where::text;  // no sequence has such a character
    if (!is_c1(character)) sink_->character(character);
  }
}

void EscapeParser::byte(unsigned char c) {
  if (c == kCancel || c == kSubstitute) {
    where_ = Where::text;
  } else if (c == kEscape) {
    where_ = where_ == Where::string ? Where::string_escape : Where::escape;
    sequence_ = {};
  } else if (where_ == Where::string) {
    string_byte(c);
  } else if (c < 0x20) {
    sink_->control(static_cast<char>(c));  // in the middle of a sequence, too
  } else if (c == 0x7f) {
    return;
  } else if (where_ == Where::text) {
    const char character = static_cast<char>(c);
    sink_->character({&character, 1});
  } else if (where_ == Where::csi) {
    csi_byte(c);
  } else {
    if (where_ == Where::string_escape && c == '\\')
      where_ = Where::text;
    else
      escape_byte(c);
  }
}

void EscapeParser::escape_byte(unsigned char c) {
  where_ = Where::escape;
  if (c < 0x30) {
    if (sequence_.intermediates.size() < kLongest) sequence_.intermediates += static_cast<char>(c);
    return;
  }
  const bool alone = sequence_.intermediates.empty();
  if (alone && c == '[') {
    sequence_.csi = true;
    where_ = Where::csi;
  } else if (alone && (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')) {
    string_bytes_ = 0;
    where_ = Where::string;
  } else {
    where_ = Where::text;
    sequence_.final = static_cast<char>(c);
    if (sequence_.intermediates.size() < kLongest) sink_->sequence(sequence_);
  }
}

void EscapeParser::csi_byte(unsigned char c) {
  const bool too_long = sequence_.parameters.size() + sequence_.intermediates.size() >= kLongest;
  if (c >= 0x40) {
    where_ = Where::text;
    sequence_.final = static_cast<char>(c);
    if (!too_long) sink_->sequence(sequence_);
  } else if (!too_long) {
    // A parameter behind an intermediate makes it none that is known: 'final' is not what such a one means.
    if (c >= 0x30 && !sequence_.intermediates.empty())
      sequence_.parameters.assign(kLongest, '?');
    else
      (c < 0x30 ? sequence_.intermediates : sequence_.parameters) += static_cast<char>(c);
  }
}

void EscapeParser::string_byte(unsigned char c) {
  constexpr unsigned char kBell = 7;
  where_ = c == kBell || ++string_bytes_ > kLongestString ? Where::text : Where::string;
}

}  // namespace envgate::record
