#include "backends/docker/transport.hpp"

#include <algorithm>

namespace envgate::backends::docker {

std::optional<Failure> must_end(const Call& call, const std::string& engine) {
  if (call.cancel.stop_requested()) {
    return Failure{Cause::cancelled, "the call to the engine at " + engine + " was cancelled"};
  }
  if (std::chrono::steady_clock::now() < call.deadline) return std::nullopt;
  return Failure{Cause::timeout, "the engine at " + engine +
                                     " has not answered in time: it is overloaded or hangs; see its log"};
}

int milliseconds_left(const Call& call) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(call.deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
}

}  // namespace envgate::backends::docker
