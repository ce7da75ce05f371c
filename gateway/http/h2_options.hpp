// What one HTTP/2 connection is allowed: streams, windows, heads, times, and how often it may do what costs
// us more than it costs the client. Thread: any; values. Source: RFC 9113 sections 5.2 (flow control), 6.5.2
// (settings), 10.5 (denial of service).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "gateway/http/message.hpp"
#include "gateway/loop/timer_wheel.hpp"

namespace envgate::http {

// So many at once, and so many per second ever after.
struct H2Rate {
  unsigned burst = 0;
  unsigned per_second = 0;
};

// A token bucket over one H2Rate.
class H2Budget {
 public:
  H2Budget(H2Rate rate, loop::Time now)
      : rate_(rate), thousandths_(std::uint64_t{rate.burst} * 1000), filled_(now) {}

  // False: it is used up.
  bool spend(loop::Time now) {
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - filled_);
    filled_ += passed;
    const std::uint64_t full = std::uint64_t{rate_.burst} * 1000;
    const auto gained =
        static_cast<std::uint64_t>(std::max<std::int64_t>(passed.count(), 0)) * rate_.per_second;
    thousandths_ = std::min(full, thousandths_ + gained);
    if (thousandths_ < 1000) return false;
    thousandths_ -= 1000;
    return true;
  }

 private:
  H2Rate rate_;
  std::uint64_t thousandths_;
  loop::Time filled_;
};

struct H2Options {
  unsigned max_streams = 128;
  HeadLimits head;

  // What a client may send ahead of what the target has taken, in bytes, to begin with: it bounds the memory
  // that a connection can pin. Where the target keeps up, one stream's window grows to `most_window` and the
  // connection's with it (h2_window.hpp).
  std::uint32_t stream_window = 256 * 1024;
  std::uint32_t connection_window = 1024 * 1024;
  std::uint32_t most_window = 8 * 1024 * 1024;

  // As in the settings: zero is none.
  loop::Clock::duration idle = std::chrono::seconds(75);  // without a stream, or without reading its answers
  loop::Clock::duration request_head =
      std::chrono::seconds(10);  // for the first sign of HTTP/2, and for each head

  // Streams reset by the client (CVE-2023-44487) or by us for what the client did (CVE-2025-8671). A page
  // that takes its requests back as it scrolls stays far below.
  H2Rate resets{500, 50};
  // PING, SETTINGS, PRIORITY, unknown frames, and DATA without data: what asks for work and carries nothing.
  H2Rate control{1000, 200};
};

}  // namespace envgate::http
