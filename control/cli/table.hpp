// Aligned columns for people, and numbers as people read them. Whatever came from elsewhere is made harmless
// to a terminal first: a control byte could move the cursor, or more. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace envgate::cli {

class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
    // What to paint a cell with where colour is wanted: the numbers of an SGR sequence ("32"), or nothing.
    std::string_view (*paint)(std::string_view cell) = nullptr;
  };

  explicit Table(std::vector<Column> columns);
  void add(std::vector<std::string> cells);  // Requires: as many as there are columns
  std::size_t rows() const { return rows_.size(); }
  // Two spaces between columns, none at a line's end; "-" for an empty cell.
  std::string to_text(bool colour = false) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

// Bytes below 0x20, 0x7f, C1 controls and bad UTF-8 become '?'.
std::string printable(std::string_view text);
// `text` in a colour, by the numbers of an SGR sequence; as it is where there are none.
std::string painted(std::string_view text, std::string_view sgr);
// Columns that `text` takes on a terminal, one for each UTF-8 sequence.
std::size_t display_width(std::string_view text);

std::string human_bytes(std::uint64_t bytes);  // "0 B", "1.5 KiB", "12 GiB"
std::string human_seconds(double seconds);     // "0.4 ms", "12 s", "3 h 5 min", "12 d 4 h"
std::string human_count(std::uint64_t count);  // "1,234,567"

}  // namespace envgate::cli
