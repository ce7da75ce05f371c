// Wakes whoever waits for a change: many pokes within a moment are one. Thread: poke() any; the rest is the
// server's I/O thread.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
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
    pause_.expires_after(kTogether);
    pause_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      poked_ = false;
      for (boost::asio::steady_timer* sleeper : *sleepers_) sleeper->cancel();
    });
  }
  boost::asio::io_context& io_;
  boost::asio::steady_timer pause_;
  std::atomic<bool> poked_{false};
  std::shared_ptr<Timers> sleepers_ = std::make_shared<Timers>();
};

}  // namespace envgate::control::api
