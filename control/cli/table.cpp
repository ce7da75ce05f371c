#include "control/cli/table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.hpp"

namespace envgate::cli {
namespace {

// The length of the UTF-8 sequence at the front of `text`, 0 where it is none (overlong forms and surrogates
// pass: they move no cursor), or where it is a control character.
std::size_t sequence(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  if (first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) return 0;  // C1
  return length;
}

std::string format(const char* pattern, double value) {
  char text[64];
  return {text, static_cast<std::size_t>(std::snprintf(text, sizeof(text), pattern, value))};
}

std::string two_units(std::uint64_t large, const char* large_unit, std::uint64_t small,
                      const char* small_unit) {
  std::string out = std::to_string(large) + large_unit;
  return small == 0 ? out : out + " " + std::to_string(small) + small_unit;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(display_width(column.title));
}

void Table::add(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = cells[i].empty() ? "-" : printable(cells[i]);
    widths_[i] = std::max(widths_[i], display_width(cells[i]));
  }
  rows_.push_back(std::move(cells));
}

std::string Table::to_text(bool colour) const {
  std::string out;
  const auto add_line = [&](const auto& cell_of, bool paint) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      const std::string fill(widths_[i] - display_width(cell), ' ');
      if (i > 0) line += "  ";
      const std::string shown = paint && columns_[i].paint ? painted(cell, columns_[i].paint(cell)) : cell;
      line += columns_[i].align == Align::right ? fill + shown : shown + fill;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line([&](std::size_t i) -> const std::string& { return columns_[i].title; }, false);
  for (const auto& row : rows_) add_line([&](std::size_t i) -> const std::string& { return row[i]; }, colour);
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = sequence(text);
    out += length == 0 ? "?" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string painted(std::string_view text, std::string_view sgr) {
  if (sgr.empty()) return std::string(text);
  return "\x1b[" + std::string(sgr) + "m" + std::string(text) + "\x1b[0m";
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 KiB would be printed as "1024 KiB".
  for (; value >= 1023.95 && unit + 1 < std::size(kUnits); value /= 1024) ++unit;
  return format(value < 9.95 ? "%.1f" : "%.0f", value) + kUnits[unit];
}

std::string human_seconds(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds < 0) return "-" + human_seconds(-seconds);
  if (seconds < 1) return format(seconds < 0.0995 ? "%.1f ms" : "%.0f ms", seconds * 1000);
  if (seconds < 9.95) return format("%.1f s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return two_units(whole / 60, " min", whole % 60, " s");
  if (whole < 86400) return two_units(whole / 3600, " h", whole % 3600 / 60, " min");
  return two_units(whole / 86400, " d", whole % 86400 / 3600, " h");
}

std::string human_count(std::uint64_t count) {
  std::string out = std::to_string(count);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

}  // namespace envgate::cli
