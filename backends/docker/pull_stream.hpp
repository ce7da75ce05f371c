// The engine's report of a pull: JSON objects one after the other, each the state of one layer, or an error
// (which comes after a status of 200). Fed by pieces, cut anywhere. Owns a line at most.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "backends/backend.hpp"

namespace envgate::backends::docker {

class PullStream {
 public:
  static constexpr std::size_t kMaxLine = 64 << 10, kMaxLayers = 1024;
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit PullStream(
      std::function<void(const Progress&)> tell,
      Clock clock = [] { return std::chrono::steady_clock::now(); })
      : tell_(std::move(tell)), clock_(std::move(clock)) {}

  // False: the stream is not what it should be, and error() says so.
  bool feed(std::string_view bytes);
  const std::string& error() const { return error_; }  // empty: none so far

 private:
  struct Layer {
    std::uint64_t done = 0, total = 0;
    bool complete = false;
  };
  bool take_line(std::string_view line);
  void report();
  std::function<void(const Progress&)> tell_;
  Clock clock_;
  std::chrono::steady_clock::time_point told_{};
  std::string line_;
  std::string error_;
  std::map<std::string, Layer> layers_;
};

}  // namespace envgate::backends::docker
