#include "record/terminal_filter.hpp"

#include <algorithm>
#include <utility>

namespace envgate::record {
namespace {

bool is_any(char c, std::string_view of) { return of.find(c) != of.npos; }

bool only(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == text.npos;
}

bool is_escape_allowed(const Sequence& s) {
  if (s.intermediates.empty()) return is_any(s.final, "78DEMHc=>");
  if (s.intermediates == "#") return is_any(s.final, "34568");
  // Character sets: line drawing and its like.
  return s.intermediates.size() == 1 && is_any(s.intermediates[0], "()*+") && is_any(s.final, "0AB12");
}

// Modes of the screen. Not those of keys (1, 66), of the mouse (9, 1000 to 1016), of focus (1004), of pasting
// (2004), of 132 columns (3).
bool is_private_mode_allowed(std::string_view mode) {
  static constexpr std::string_view kModes[] = {"5",  "6",  "7",    "12",   "25",   "45",
                                                "47", "69", "1047", "1048", "1049", "2026"};
  return std::find(std::begin(kModes), std::end(kModes), mode) != std::end(kModes);
}

// "?25;1000" -> "?25"; empty where no mode is left. `sequence` is h or l.
std::string allowed_modes(std::string_view parameters) {
  const bool is_private = parameters.starts_with('?');
  std::string out;
  std::string_view rest = parameters.substr(is_private ? 1 : 0);
  while (!rest.empty()) {
    const std::string_view mode = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), mode.size() + 1));
    // ANSI modes: insert, and newline. 2 locks the keyboard, 12 is its echo.
    if (is_private ? is_private_mode_allowed(mode) : mode == "4" || mode == "20")
      out.append(out.empty() ? (is_private ? "?" : "") : ";").append(mode);
  }
  return out;
}

bool is_csi_allowed(const Sequence& s) {
  if (s.intermediates == " ")
    return s.final == 'q' && only(s.parameters, "0123456789");                // the cursor's shape
  if (s.intermediates == "!") return s.final == 'p' && s.parameters.empty();  // soft reset
  if (!s.intermediates.empty()) return false;
  if (s.final == 'm') return only(s.parameters, "0123456789;:");
  if (is_any(s.final, "JK")) return only(s.parameters, "?0123456789;");
  if (s.final == 'T') return only(s.parameters, "0123456789");  // five of them would follow the mouse
  return is_any(s.final, "@ABCDEFGHILMPSXZ`abdefgrsu") && only(s.parameters, "0123456789;");
}

}  // namespace

std::string TerminalFilter::take(std::string_view bytes) {
  parser_.parse(bytes);
  return std::exchange(out_, {});
}

void TerminalFilter::control(char c) {
  if (is_any(c, "\a\b\t\n\v\f\r\x0e\x0f")) out_ += c;  // not ENQ, which is answered
}

void TerminalFilter::sequence(const Sequence& sequence) {
  if (!sequence.csi) {
    if (is_escape_allowed(sequence)) out_ += sequence.text();
    return;
  }
  if (sequence.intermediates.empty() && is_any(sequence.final, "hl")) {
    Sequence some = sequence;
    some.parameters = allowed_modes(sequence.parameters);
    if (some.parameters.empty()) return;
    if (some.parameters.find("47") != std::string::npos || some.parameters.find("1049") != std::string::npos)
      alternate_ = some.final == 'h';
    out_ += some.text();
    return;
  }
  if (is_csi_allowed(sequence)) out_ += sequence.text();
}

}  // namespace envgate::record
