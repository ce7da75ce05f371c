#include "control/cli/progress.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr std::size_t kCells = 20;

struct Where {
  std::string what;  // "pull: layer 3", or the operation's state
  std::uint64_t done = 0, total = 0;
};

Where where_of(const Json& operation) {
  Where where;
  const Json progress = operation.value("progress", Json::object());
  const std::string step = printable(progress.value("step", "")),
                    detail = printable(progress.value("detail", ""));
  where.what = step + (step.empty() || detail.empty() ? "" : ": ") + detail;
  if (where.what.empty()) where.what = printable(operation.at("state").get<std::string>());
  where.total = progress.value("total", std::uint64_t{0});
  where.done = std::min(progress.value("done", std::uint64_t{0}), where.total);
  return where;
}

// The first `columns` characters.
std::string cut(const std::string& text, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end)
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && seen++ == columns) break;
  return text.substr(0, end);
}

}  // namespace

std::string progress_bar(const Json& operation, unsigned width) {
  const Where where = where_of(operation);
  const std::size_t full =
      where.total == 0 ? 0 : static_cast<std::size_t>(double(where.done) / double(where.total) * kCells);
  const char empty = where.total == 0 ? '.' : '-';
  std::string line = "[" + std::string(full, '#') + std::string(kCells - full, empty) + "] ";
  if (where.total > 0 && where.total < 10'000)
    line += std::to_string(where.done) + "/" + std::to_string(where.total) + " ";
  else if (where.total > 0)  // bytes, or as good as
    line += std::to_string(static_cast<unsigned>(double(where.done) / double(where.total) * 100)) + "% ";
  return cut(line + where.what, width);
}

std::string progress_step(const Json& operation) { return where_of(operation).what; }

void Progress::show(const Json& operation) {
  if (!bar_) {
    const std::string step = progress_step(operation);
    if (step != shown_) print(to_, step + "\n");
    shown_ = step;
    return;
  }
  // The last column stays free: a terminal may wrap when it is written.
  std::string line = progress_bar(operation, std::max(20u, columns_of(to_)) - 1);
  const std::size_t before = display_width(shown_), now = display_width(line);
  print(to_, "\r" + line + std::string(before > now ? before - now : 0, ' '));
  std::fflush(to_);
  shown_ = line;
}

void Progress::end() {
  if (bar_ && !shown_.empty()) print(to_, "\n");
  shown_.clear();
}

}  // namespace envgate::cli
