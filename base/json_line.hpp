// Builds one JSON object on one line, straight into a caller's string: the form of every log line. Not a JSON
// library (nlohmann is that, in the few files that need one); this is for the hot path and never allocates
// when the string has room. Keys are literals and are not escaped; values are, and invalid UTF-8 from a peer
// becomes \ufffd, so that a line is always valid JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace envgate {

void append_json_string(std::string& out, std::string_view value);  // with the quotes

class JsonLine {
 public:
  explicit JsonLine(std::string& out) : out_(out) { out_ += '{'; }

  JsonLine& text(std::string_view key, std::string_view value);
  JsonLine& number(std::string_view key, std::int64_t value);
  JsonLine& seconds(std::string_view key, std::chrono::nanoseconds value);  // "1.000250": microseconds, >= 0
  JsonLine& boolean(std::string_view key, bool value);
  void end() { out_ += '}'; }

 private:
  char* member(std::string_view name, std::size_t size);
  JsonLine& raw(std::string_view name, std::string_view value);
  std::string& out_;
  bool first_ = true;
};

}  // namespace envgate
