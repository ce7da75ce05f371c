#include "gateway/http/h2_window.hpp"

namespace envgate::http {
namespace {

// A client that needs longer than this for a window is not held up by it, whatever its round trip.
constexpr std::chrono::seconds kLongestRound{1};

constexpr std::size_t kThreadBound = std::size_t{64} << 20;

thread_local std::size_t granted = 0;

}  // namespace

bool H2Window::taken(std::size_t n, std::size_t waiting, loop::Time now) {
  round_ += static_cast<std::uint32_t>(n);
  lagged_ = lagged_ || waiting > size_ / 2;
  if (round_ < size_) return false;
  const bool good = !lagged_ && now - began_ < kLongestRound;
  round_ = 0;
  lagged_ = false;
  began_ = now;
  return good;
}

H2WindowShare::~H2WindowShare() { granted -= held_; }

bool H2WindowShare::take(std::uint32_t n) {
  if (granted + n > kThreadBound) return false;
  granted += n;
  held_ += n;
  return true;
}

}  // namespace envgate::http
