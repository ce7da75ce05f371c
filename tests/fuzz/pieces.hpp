// Cutting an input into pieces by its own bytes, so that a target can hold incremental reading against
// reading whole without a source of chance outside the input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace envgate::fuzz {

// Ascending positions in (0, input.size()], the last one its size.
inline std::vector<std::size_t> cuts_of(std::string_view input) {
  std::uint32_t state = 2166136261u;
  for (const char c : input) state = (state ^ static_cast<unsigned char>(c)) * 16777619u;
  std::vector<std::size_t> cuts;
  for (std::size_t at = 0; at < input.size();) {
    state = state * 1664525u + 1013904223u;
    at = std::min<std::size_t>(at + 1 + (state >> 24) % ((state >> 20 & 3) == 0 ? 3 : 60), input.size());
    cuts.push_back(at);
  }
  return cuts;
}

}  // namespace envgate::fuzz
