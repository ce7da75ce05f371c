#include <algorithm>

#include "gateway/http/h1_bytes.hpp"
#include "gateway/http/h1_parser.hpp"

namespace envgate::http {
namespace {

std::string_view control_reason(char c) {
  return c == '\n' ? "bare_lf" : c == '\0' ? "nul" : "control_byte";
}

}  // namespace

void HeadScanner::reset() { at_ = start_ = line_start_ = lines_ = 0; }

Scan HeadScanner::rejected(int status, std::string_view reason) const {
  Scan out;
  out.state = Scan::rejected;
  out.verdict = reject(side_ == Side::request ? status : 502, reason);
  return out;
}

// Which bound is passed first depends on the bytes alone, not on how they were split: a head is refused for
// the same reason however it arrives.
bool HeadScanner::too_long(std::size_t line_end, Scan& out) const {
  const std::size_t line_limit = lines_ == 0 ? limits_->request_line : limits_->field_line;
  const std::size_t line_bound = line_start_ + line_limit, head_bound = start_ + limits_->head;
  if (line_end <= std::min(line_bound, head_bound)) return false;
  if (head_bound < line_bound) out = rejected(431, "head_too_long");
  else if (lines_ == 0) out = rejected(414, "first_line_too_long");
  else out = rejected(431, "field_line_too_long");
  return true;
}

Scan HeadScanner::unfinished(std::size_t at) {
  at_ = static_cast<std::uint32_t>(at);
  Scan out;
  too_long(at, out);
  return out;
}

// What does not begin as an answer is not waited for: a target that speaks another protocol is told from the
// first bytes.
bool HeadScanner::begins_well(std::string_view buffer) const {
  constexpr std::string_view kStart = "HTTP/1.";
  return side_ == Side::request || at_ >= kStart.size() ||
         buffer.substr(0, kStart.size()) == kStart.substr(0, buffer.size());
}

Scan HeadScanner::scan(std::string_view buffer) {
  if (!begins_well(buffer)) return rejected(400, "bad_status_line");
  const char* const begin = buffer.data();
  const char* const end = begin + buffer.size();
  for (;;) {
    const char* const found = internal::find_control(begin + at_, end);
    const auto at = static_cast<std::size_t>(found - begin);
    Scan out;
    if (found == end || found + 1 == end) {
      // A CR needs its next byte; any other control byte is refused at once.
      if (found != end && *found != '\r' && !too_long(at, out)) return rejected(400, control_reason(*found));
      return unfinished(at);
    }
    if (too_long(at, out)) return out;
    if (*found != '\r') return rejected(400, control_reason(*found));
    if (found[1] != '\n') return rejected(400, "bare_cr");

    const bool empty = at == line_start_;
    at_ = line_start_ = static_cast<std::uint32_t>(at + 2);
    if (!empty) {
      if (++lines_ > limits_->fields + 1) return rejected(431, "too_many_fields");
    } else if (lines_ != 0) {
      out.state = Scan::complete;
      out.head.bytes_ = buffer.substr(start_, at_ - start_);
      out.head.skipped_ = start_;
      return out;
    } else if (side_ == Side::request && start_ == 0) {
      start_ = at_;  // RFC 9112 section 2.2: one empty line before a request line is ignored
    } else {
      return rejected(400, "empty_first_line");
    }
  }
}

}  // namespace envgate::http
