// A terminal's output as the text that somebody would have read: lines, with what was typed over and erased
// in them resolved, and without escape sequences. A program that draws the whole screen comes out as the
// pieces it drew. Thread: one.
#pragma once

#include <vector>

#include "record/escape_parser.hpp"

namespace envgate::record {

class PlainText : private EscapeSink {
 public:
  PlainText() : parser_(*this) {}
  PlainText(const PlainText&) = delete;
  PlainText& operator=(const PlainText&) = delete;

  std::string take(std::string_view bytes);  // the lines that are complete
  std::string rest();                        // the last one, with a newline if there is anything in it

 private:
  void character(std::string_view utf8) override;
  void control(char c) override;
  void sequence(const Sequence& sequence) override;
  void end_line();

  EscapeParser parser_;
  std::string out_;
  std::vector<std::string> line_;  // a character each
  std::size_t column_ = 0;
};

}  // namespace envgate::record
