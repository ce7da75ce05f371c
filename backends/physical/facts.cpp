#include "backends/physical/facts.hpp"

#include <algorithm>
#include <charconv>

#include "backends/words.hpp"

namespace envgate::backends::physical {
namespace {

constexpr std::size_t kMostGpus = 64;

std::uint64_t number(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= most ? value : 0;
}

bool word(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

// "GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-5c89852c-...)", of nvidia-smi -L.
void add_gpu(std::string_view line, std::vector<SeenGpu>& gpus) {
  constexpr std::string_view mark = " (UUID: ";
  const std::size_t colon = line.find(": "), uuid = line.rfind(mark);
  if (gpus.size() == kMostGpus || line.substr(0, 4) != "GPU " || line.back() != ')') return;
  if (colon == std::string_view::npos || uuid == std::string_view::npos || uuid < colon + 2) return;
  const std::string_view model = line.substr(colon + 2, uuid - colon - 2);
  const std::string_view id = line.substr(uuid + mark.size(), line.size() - uuid - mark.size() - 1);
  if (model.empty() || model.size() > 128 || !word(id, 64)) return;
  gpus.push_back({excerpt(model, 128), std::string(id)});
}

void take(Facts& facts, std::string_view name, std::string_view value, std::chrono::sys_seconds now) {
  constexpr std::uint64_t kMostKib = std::uint64_t{1} << 50;
  constexpr std::uint64_t kMostSeconds = 1ull << 40;
  if (name == "hostname" && word(value, 253)) facts.hostname = value;
  if (name == "cpus") facts.cpus = static_cast<std::uint32_t>(number(value, 1 << 20));
  if (name == "memory_kib") facts.memory = Bytes{number(value, kMostKib) * 1024};
  if (name == "disk_kib") facts.disk = Bytes{number(value, kMostKib) * 1024};
  if (name == "boot_id" && word(value, 64)) facts.boot_id = value;
  if (name == "gpu") add_gpu(value, facts.gpus);
  if (name == "uptime") facts.uptime = std::chrono::seconds(number(value, kMostSeconds));
  if (name == "clock" && number(value, kMostSeconds) > 0) {
    facts.clock_difference = std::chrono::seconds(number(value, kMostSeconds)) - now.time_since_epoch();
  }
}

}  // namespace

Facts parse_facts(std::string_view text, std::chrono::sys_seconds now) {
  Facts facts;
  facts.reachable = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || space + 1 == line.size()) continue;
    take(facts, line.substr(0, space), line.substr(space + 1), now);
  }
  return facts;
}

}  // namespace envgate::backends::physical
