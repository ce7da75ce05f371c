// Server-sent events out of a stream's pieces (WHATWG HTML, "Server-sent events"). Value; thread: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace envgate::cli {

struct ServerEvent {
  std::string id, type, data;
};

class SseReader {
 public:
  // The events that `piece` makes whole. Nothing: an event is larger than a megabyte, and it is no such
  // stream.
  std::optional<std::vector<ServerEvent>> feed(std::string_view piece);

 private:
  void take_line(std::string_view line, std::vector<ServerEvent>& out);
  std::string line_;
  ServerEvent event_;
  bool has_data_ = false;
};

}  // namespace envgate::cli
