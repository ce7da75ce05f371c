// Takes a terminal's output apart: text, control characters, escape sequences. Pieces may be cut anywhere
// between characters. Source: ECMA-48; the states of vt100.net/emu/dec_ansi_parser, and what xterm does with
// UTF-8. Thread: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace envgate::record {

struct Sequence {
  bool csi = false;           // ESC [ ...; else ESC ...
  std::string parameters;     // 0x30 to 0x3f, as "?25" or "1;31"; of csi alone
  std::string intermediates;  // 0x20 to 0x2f
  char final = 0;

  std::string text() const;
};

class EscapeSink {
 public:
  virtual ~EscapeSink() = default;
  virtual void character(std::string_view utf8) = 0;  // one, and no control
  virtual void control(char c) = 0;                   // below 0x20, but for ESC, CAN and SUB
  virtual void sequence(const Sequence& sequence) = 0;
};

// Passed over whole: OSC, DCS, SOS, PM and APC strings, which set titles, clipboards, keys and colours; C1
// controls, as characters too; DEL; bad UTF-8; sequences longer than any that is used.
class EscapeParser {
 public:
  explicit EscapeParser(EscapeSink& sink) : sink_(&sink) {}
  void parse(std::string_view bytes);

 private:
  enum class Where : std::uint8_t { text, escape, csi, string, string_escape };
  void byte(unsigned char c);
  void escape_byte(unsigned char c);
  void csi_byte(unsigned char c);
  void string_byte(unsigned char c);

  EscapeSink* sink_;
  Where where_ = Where::text;
  Sequence sequence_;
  std::size_t string_bytes_ = 0;
};

}  // namespace envgate::record
