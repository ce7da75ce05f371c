#include "backends/docker/pull_stream.hpp"

#include <algorithm>

#include "backends/docker/json.hpp"

namespace envgate::backends::docker {

bool PullStream::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    line_.append(bytes.substr(0, newline));
    if (line_.size() > kMaxLine) {
      error_ =
          "the engine's report of the pull has a line of more than " + std::to_string(kMaxLine) + " bytes";
      return false;
    }
    if (newline == std::string_view::npos) return true;
    bytes.remove_prefix(newline + 1);
    const std::string line = std::exchange(line_, {});
    if (!take_line(line)) return false;
  }
  return true;
}

bool PullStream::take_line(std::string_view line) {
  if (line.find_first_not_of(" \r\t") == std::string_view::npos) return true;
  const auto value = parse_json(line);
  if (!value || !value->is_object()) {
    error_ = "the engine's report of the pull is not JSON";
    return false;
  }
  std::string failed = text_at(*value, {"errorDetail", "message"});
  if (failed.empty()) failed = text_at(*value, {"error"});
  if (!failed.empty()) error_ = excerpt(failed);
  const std::string id = text_at(*value, {"id"});
  const std::string status = text_at(*value, {"status"});
  const json& detail = at(*value, {"progressDetail"});
  if (!error_.empty() || id.empty() || !detail.is_object()) return true;
  if (layers_.size() >= kMaxLayers && layers_.count(id) == 0) return true;
  Layer& layer = layers_[id];
  // Extraction counts the same bytes once more: only the download is told.
  if (status == "Downloading") {
    layer.total = std::max(layer.total, number_at(detail, {"total"}));
    layer.done = std::max(layer.done, std::min(number_at(detail, {"current"}), layer.total));
  } else if (status == "Download complete" || status == "Extracting") {
    layer.done = layer.total;
  } else if (status == "Pull complete" || status == "Already exists") {
    layer.complete = true;
    layer.done = layer.total;
  }
  report();
  return true;
}

void PullStream::report() {
  const auto now = clock_();
  if (!tell_ || (told_ != decltype(told_){} && now - told_ < std::chrono::milliseconds(100))) return;
  told_ = now;
  Progress progress{"pull", "", 0, 0};
  std::size_t complete = 0;
  for (const auto& [id, layer] : layers_) {
    progress.done += layer.done;
    progress.total += layer.total;
    complete += layer.complete ? 1 : 0;
  }
  progress.detail = std::to_string(complete) + " of " + std::to_string(layers_.size()) + " layers";
  tell_(progress);
}

}  // namespace envgate::backends::docker
