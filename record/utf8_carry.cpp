#include "record/utf8_carry.hpp"

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"

namespace envgate::record {
namespace {

std::size_t length_by_first(unsigned char first) {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  return first >= 0xf0 && first <= 0xf4 ? 4 : 1;
}

// Whether some bytes more would make it valid: all fillings of what is missing are tried by their two
// extremes, since the only limits beyond 80..BF are on the second byte (RFC 3629 section 4).
bool may_become_valid(std::string_view begun, std::size_t length) {
  for (const char fill : {'\x80', '\xbf'}) {
    std::string whole(begun);
    whole.resize(length, fill);
    if (utf8_length(whole, 0) == length) return true;
  }
  return false;
}

}  // namespace

std::size_t unfinished_bytes(std::string_view bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const std::string_view tail = bytes.substr(bytes.size() - back);
    const std::size_t length = length_by_first(static_cast<unsigned char>(tail[0]));
    if (length > back && may_become_valid(tail, length)) return back;
  }
  return 0;
}

std::string_view Utf8Carry::take(std::string_view bytes) {
  piece_.assign(carried_).append(bytes);
  const std::size_t begun = unfinished_bytes(piece_);
  carried_.assign(piece_, piece_.size() - begun);
  piece_.resize(piece_.size() - begun);
  return piece_;
}

std::string_view Utf8Carry::rest() {
  piece_ = std::exchange(carried_, {});
  return piece_;
}

}  // namespace envgate::record
