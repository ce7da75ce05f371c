#include "gateway/ssh/banner.hpp"

#include <algorithm>

namespace envgate::ssh {
namespace {

constexpr std::string_view kPrefix = "SSH-";
constexpr std::string_view kVersions[] = {"SSH-2.0-", "SSH-1.99-"};  // 1.99: RFC 4253 section 5.1

Banner refuse(std::string_view reason) {
  Banner banner;
  banner.state = Banner::not_ssh;
  banner.reason = reason;
  return banner;
}

bool agrees(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start.substr(0, text.size());
}

bool is_printable(char c) { return c >= 0x20 && c <= 0x7e; }

}  // namespace

// Looked at again from its start each time: 255 bytes at most.
Banner BannerScanner::identification(std::string_view buffer) const {
  const std::string_view line = buffer.substr(line_start_, kIdentificationMax);
  std::size_t version = 0;
  for (const std::string_view start : kVersions) {
    if (!agrees(line, start)) continue;
    if (line.size() <= start.size()) return {};
    version = start.size();
  }
  if (version == 0) return refuse(agrees(line, kPrefix) ? "old_protocol" : "not_ssh");
  const std::size_t end = static_cast<std::size_t>(
      std::find_if_not(line.begin() + static_cast<std::ptrdiff_t>(version), line.end(), is_printable) -
      line.begin());
  if (end == line.size())
    return line.size() < kIdentificationMax ? Banner{} : refuse("identification_too_long");
  if (end == version || line[version] == ' ') return refuse("no_software_version");
  std::size_t lf = end;
  if (line[end] == '\r') {
    lf = end + 1;
    if (lf == line.size())
      return line.size() < kIdentificationMax ? Banner{} : refuse("identification_too_long");
  }
  if (line[lf] != '\n') return refuse("not_printable");
  Banner banner;
  banner.state = Banner::ssh;
  banner.software = line.substr(version, end - version);
  banner.size = line_start_ + lf + 1;
  return banner;
}

// RFC 4253 section 4.2: a server may send other lines first. True once a whole one has been passed over.
bool BannerScanner::skip_server_line(std::string_view buffer, Banner& out) {
  for (; at_ < buffer.size(); ++at_) {
    if (buffer[at_] == '\0') return out = refuse("nul"), false;
    if (at_ >= kServerLinesMax) return out = refuse("too_many_lines"), false;
    if (at_ - line_start_ >= kServerLineMax) return out = refuse("line_too_long"), false;
    if (buffer[at_] != '\n') continue;
    line_start_ = ++at_;
    return true;
  }
  return false;
}

Banner BannerScanner::scan(std::string_view buffer) {
  for (;;) {
    const std::string_view line = buffer.substr(line_start_);
    if (peer_ == Peer::client || agrees(line, kPrefix)) return identification(buffer);
    Banner out;
    if (!skip_server_line(buffer, out)) return out;
  }
}

}  // namespace envgate::ssh
