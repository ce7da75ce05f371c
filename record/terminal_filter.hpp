// What may go from a record to the terminal of the person who replays it: text, colours, and moves on the
// screen. A list of what is let through, so that what nobody thought of is not: no titles, clipboard,
// hyperlinks; nothing that a terminal answers, since its answer would be typed into the operator's shell;
// nothing that changes what keys or the mouse send, prints, or resizes. Thread: one.
#pragma once

#include "record/escape_parser.hpp"

namespace envgate::record {

class TerminalFilter : private EscapeSink {
 public:
  TerminalFilter() : parser_(*this) {}
  TerminalFilter(const TerminalFilter&) = delete;
  TerminalFilter& operator=(const TerminalFilter&) = delete;

  std::string take(std::string_view bytes);  // pieces may be cut within a sequence
  bool on_alternate_screen() const { return alternate_; }

 private:
  void character(std::string_view utf8) override { out_ += utf8; }
  void control(char c) override;
  void sequence(const Sequence& sequence) override;

  EscapeParser parser_;
  std::string out_;
  bool alternate_ = false;
};

}  // namespace envgate::record
