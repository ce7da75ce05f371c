// One JSON line per SSH connection and per request. Lines are gathered, and written together a tenth of a
// second after the first or once there are 32 KiB of them: a write for each turn of the loop cost a small
// request 4% of its time. A process that is killed loses what it had not written. Thread: the reactor's.
#pragma once

#include <string>
#include <string_view>

#include "base/json_line.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/loop/timer_wheel.hpp"
#include "routing/route.hpp"

namespace envgate::gateway {

class AccessLog final : loop::Timer {
 public:
  explicit AccessLog(loop::Reactor& reactor) : reactor_(reactor) { lines_.reserve(kMost + 4 * 1024); }
  ~AccessLog() { flush(); }

  // A line with the seed's fields first: timestamp, environment_id, type, event, source_ip, username, status.
  // More may be added before it is destroyed. `username` is empty where the gateway cannot see it
  // (passthrough).
  class Line {
   public:
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    JsonLine* operator->() { return &json_; }

   private:
    friend class AccessLog;
    Line(AccessLog& log, std::string_view event, std::string_view environment, const routing::Route* route,
         std::string_view source, std::string_view username, std::string_view status);
    AccessLog& log_;
    JsonLine json_;
  };

  // False where the level hides access lines.
  static bool enabled();
  Line line(std::string_view event, std::string_view environment, const routing::Route* route,
            std::string_view source, std::string_view status, std::string_view username = {});
  void flush();

 private:
  static constexpr std::size_t kMost = 32 * 1024;
  static constexpr std::chrono::milliseconds kDelay{100};
  void expired() override { flush(); }
  loop::Reactor& reactor_;
  std::string lines_;
};

}  // namespace envgate::gateway
