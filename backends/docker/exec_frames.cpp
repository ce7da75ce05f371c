#include "backends/docker/exec_frames.hpp"

namespace envgate::backends::docker {

Outcome<ExecOutput> parse_exec_frames(std::string_view stream) {
  constexpr std::size_t kHeader = 8;
  ExecOutput output;
  while (!stream.empty()) {
    if (stream.size() < kHeader)
      return failure(Cause::failed, "the engine's stream ended within a frame's header");
    std::size_t length = 0;
    for (std::size_t i = 4; i < kHeader; ++i) length = length << 8 | static_cast<unsigned char>(stream[i]);
    const char kind = stream[0];
    if (kind < 0 || kind > 2 || stream[1] != 0 || stream[2] != 0 || stream[3] != 0) {
      return failure(Cause::failed, "the engine's stream has a frame of an unknown kind");
    }
    stream.remove_prefix(kHeader);
    if (length > stream.size()) return failure(Cause::failed, "the engine's stream ended within a frame");
    (kind == 2 ? output.err : output.out).append(stream.substr(0, length));
    stream.remove_prefix(length);
  }
  return output;
}

}  // namespace envgate::backends::docker
