// Reads an asciicast v2 back, event by event. A last line that was cut off by a crash is the end.
// Thread: one.
#pragma once

#include <istream>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace envgate::record {

struct CastHeader {
  unsigned columns = 0, rows = 0;
};

struct CastEvent {
  double seconds = 0;  // since the record began; finite, >= 0
  char code = 0;       // 'o'
  std::string data;    // UTF-8
};

class CastReader {
 public:
  // Reads the header. Errors: it is no asciicast v2.
  static Result<CastReader> of(std::istream& in);

  // Nothing at the end. Errors: a line that is no event.
  Result<std::optional<CastEvent>> next();
  const CastHeader& header() const { return header_; }

 private:
  explicit CastReader(std::istream& in) : in_(&in) {}
  bool read_line();

  std::istream* in_;
  CastHeader header_;
  std::string line_;
  bool torn_ = false;  // the line has no newline
  std::size_t number_ = 0;
};

}  // namespace envgate::record
