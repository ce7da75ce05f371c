// Watching a session while it goes on. Of each open terminal its newest output is kept, so that a watcher
// first sees about what the customer sees, and then each piece as it comes. A watcher that reads slowly loses
// pieces, and is told how many bytes: nothing waits for it. Memory is bounded for each watcher, each terminal
// and all terminals together.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/utf8_carry.hpp"

namespace envgate::ssh::recorder {

inline constexpr std::size_t kScreenMost = 64 * 1024;      // bytes kept of one terminal
inline constexpr std::size_t kAllScreensMost = 64u << 20;  // of all together
inline constexpr std::size_t kWatchMost = 512 * 1024;      // waiting for one watcher
inline constexpr std::size_t kWatchersMost = 64;           // in the whole gateway

struct Watched {
  enum class Kind : std::uint8_t { output, resized, lost, ended };
  Kind kind = Kind::output;
  std::uint32_t channel = 0;
  std::string text;                     // of `output`: never ends within a UTF-8 sequence; of `ended`: why
  std::uint32_t columns = 0, rows = 0;  // of `resized`; also told where a terminal begins
  std::uint64_t bytes = 0;              // of `lost`
};

// One watcher. Thread: any.
class Watch {
 public:
  explicit Watch(std::function<void()> ready) : ready_(std::move(ready)) {}

  // What has come; nothing after `ended`.
  std::vector<Watched> take();
  // No call of `ready` is under way when it returns, nor comes later.
  void close();

  // ---- for the recorder ----
  void put(Watched piece);
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  std::function<void()> ready_;  // called for the first piece after a take()
  std::vector<Watched> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t lost_ = 0;
  bool ended_ = false, closed_ = false;
};

// What all screens share. Thread: the recorder's.
struct ScreenBudget {
  std::size_t used = 0, most = kAllScreensMost;
};

// The terminals of one session and its watchers. Thread: the recorder's.
class Screens {
 public:
  explicit Screens(ScreenBudget& budget) : budget_(&budget) {}
  ~Screens();
  Screens(const Screens&) = delete;
  Screens& operator=(const Screens&) = delete;

  void begin(std::uint32_t channel, std::uint32_t columns, std::uint32_t rows);
  void output(std::uint32_t channel, std::string_view bytes);
  void resized(std::uint32_t channel, std::uint32_t columns, std::uint32_t rows);
  void end(std::uint32_t channel);

  void watch(std::shared_ptr<Watch> watch);
  void ended(const std::string& reason);  // all watchers are told
  std::size_t watchers() const { return watchers_.size(); }
  void forget_closed();

 private:
  struct Screen {
    std::uint32_t columns = 0, rows = 0;
    std::string newest;
    record::Utf8Carry carry;
  };
  void keep(Screen& screen, std::string_view text);
  void tell(const Watched& piece);

  ScreenBudget* budget_;
  std::map<std::uint32_t, Screen> screens_;
  std::vector<std::shared_ptr<Watch>> watchers_;
};

}  // namespace envgate::ssh::recorder
