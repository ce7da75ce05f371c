#include "record/plain_text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace envgate::record {
namespace {

constexpr std::size_t kLongestLine = 4096;

std::size_t number_or(const std::string& text, std::size_t fallback) {
  std::size_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() ? std::min(value, kLongestLine) : fallback;
}

}  // namespace

std::string PlainText::take(std::string_view bytes) {
  parser_.parse(bytes);
  return std::exchange(out_, {});
}

std::string PlainText::rest() {
  if (!line_.empty()) end_line();
  return std::exchange(out_, {});
}

void PlainText::end_line() {
  while (!line_.empty() && line_.back() == " ") line_.pop_back();
  for (const std::string& character : line_) out_ += character;
  out_ += '\n';
  line_.clear();
  column_ = 0;
}

void PlainText::character(std::string_view utf8) {
  if (column_ >= kLongestLine) end_line();
  if (line_.size() <= column_) line_.resize(column_ + 1, " ");
  line_[column_++] = utf8;
}

void PlainText::control(char c) {
  if (c == '\n' || c == '\v' || c == '\f') {
    end_line();
  } else if (c == '\r') {
    column_ = 0;
  } else if (c == '\b') {
    column_ -= column_ > 0 ? 1 : 0;
  } else if (c == '\t') {
    column_ = std::min((column_ / 8 + 1) * 8, kLongestLine);
  }
}

void PlainText::sequence(const Sequence& s) {
  if (!s.csi || !s.intermediates.empty() || s.parameters.starts_with('?')) return;
  const std::size_t count = std::max<std::size_t>(number_or(s.parameters, 1), 1);
  const auto here = [&] {
    return line_.begin() + static_cast<std::ptrdiff_t>(std::min(column_, line_.size()));
  };
  switch (s.final) {
    case 'C': column_ = std::min(column_ + count, kLongestLine); return;
    case 'D': column_ -= std::min(column_, count); return;
    case 'G': column_ = count - 1; return;
    case 'P':
      line_.erase(here(), here() + std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(count),
                                                            line_.end() - here()));
      return;
    case '@':
      if (column_ < line_.size()) line_.insert(here(), count, " ");
      line_.resize(std::min(line_.size(), kLongestLine));
      return;
    case 'K': {
      const std::size_t what = number_or(s.parameters, 0);
      if (what == 0) line_.erase(here(), line_.end());
      if (what == 1) std::fill(line_.begin(), here(), " ");
      if (what == 2) line_.clear();
      return;
    }
    case 'A':
    case 'B':
    case 'E':
    case 'F':
    case 'H':
    case 'd':
    case 'f':
    case 'J':
      if (!line_.empty() && s.final != 'J') end_line();
      if (s.final == 'J' && number_or(s.parameters, 0) == 0) line_.erase(here(), line_.end());
      return;
    default: return;
  }
}

}  // namespace envgate::record
