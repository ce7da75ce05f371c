#include "control/cli/sse.hpp"

#include <algorithm>

namespace envgate::cli {
namespace {

constexpr std::size_t kLargest = 1u << 20;

}  // namespace

std::optional<std::vector<ServerEvent>> SseReader::feed(std::string_view piece) {
  std::vector<ServerEvent> out;
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    line_.append(piece.substr(0, end));
    if (line_.size() + event_.data.size() > kLargest) return std::nullopt;
    if (end == piece.npos) break;
    piece.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line(line_, out);
    line_.clear();
  }
  return out;
}

void SseReader::take_line(std::string_view line, std::vector<ServerEvent>& out) {
  if (line.empty()) {
    if (has_data_) out.push_back(event_);
    event_.type.clear();  // the id stays until another is given
    event_.data.clear();
    has_data_ = false;
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == 0) return;  // a comment: the server is still there
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == line.npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.type = value;
  if (field == "id") event_.id = value;
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data.append(value);
    has_data_ = true;
  }
}

}  // namespace envgate::cli
