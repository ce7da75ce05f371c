// Wakes whoever waits for a change: at once, but not again within a moment, so that many pokes are one.
// Thread: poke() any; the rest is the server's I/O thread.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <set>

namespace envgate::control::api {

class Hub {
  using Timers = std::set<boost::asio::steady_timer*>;

 public:
  explicit Hub(boost::asio::io_context& io) : io_(io), pause_(io) {}

  void poke() {
    if (!poked_.exchange(true)) boost::asio::post(io_, [this] { wake_soon(); });
  }

  // How often it has woken. Who looked while it did must look again, not sleep.
  std::uint64_t wakes() const { return wakes_; }

  // A sleep that a poke cuts short.
  class Sleeper {
   public:
    Sleeper(Hub& hub, std::chrono::steady_clock::duration at_most)
        : sleepers_(hub.sleepers_), timer_(hub.io_, at_most) {
      sleepers_->insert(&timer_);
    }
    ~Sleeper() { sleepers_->erase(&timer_); }
    boost::asio::steady_timer& timer() { return timer_; }

   private:
    std::shared_ptr<Timers> sleepers_;  // a coroutine may outlive the hub, in the io_context's last moments
    boost::asio::steady_timer timer_;
  };

 private:
  static constexpr std::chrono::milliseconds kTogether{10};
  void wake_soon() {
    pause_.expires_at(woke_ + kTogether);  // which may have passed
    pause_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      woke_ = std::chrono::steady_clock::now();
      poked_ = false;
      ++wakes_;
      for (boost::asio::steady_timer* sleeper : *sleepers_) sleeper->cancel();
    });
  }
  boost::asio::io_context& io_;
  boost::asio::steady_timer pause_;
  std::chrono::steady_clock::time_point woke_{};
  std::uint64_t wakes_ = 0;
  std::atomic<bool> poked_{false};
  std::shared_ptr<Timers> sleepers_ = std::make_shared<Timers>();
};

}  // namespace envgate::control::api
