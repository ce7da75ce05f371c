// Keeps what is there like what is wanted. Nudged by every accepted change; and by itself, since the world
// changes too: every `resync` it lists what each engine has, compares that with the rows, nudges what
// differs, and sweeps orphans: things with our labels that no environment explains. Unlabelled things it
// never sees.
//
// Threads: workers, which make passes (pass.hpp) and look at engines, so that one that hangs holds up no
// other; one that says when to look; one that keeps the claims of the passes that are going on alive. Public
// functions: any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "control/reconcile/pass.hpp"
#include "control/reconcile/queue.hpp"

namespace envgate::control {

class Reconciler {
 public:
  struct EngineHealth {
    bool answers = true;
    std::string error;
    std::size_t environments = 0, orphans = 0;
  };

  // `committed` runs after each transaction that changed something, on any thread; `before_look` before each
  // look at everything, to bring `engines` up to date.
  Reconciler(
      store::Database& database, const secrets::SecretBox& box, const ControlSettings& settings,
      const Engines& engines, std::function<void()> committed, std::function<void()> before_look = [] {});
  ~Reconciler();

  // What has something open, or is not as wanted, gets a pass; the first look at each engine, which follows
  // at once, finds what else differs. Errors: the database.
  Result<void> start();
  // Calls to engines are cancelled; what was being done is taken up again at the next start.
  void stop();

  void nudge(const std::string& id, const std::string& engine) { queue_.nudge(id, engine); }
  void resync_soon();
  std::map<std::string, EngineHealth> health() const;
  std::size_t position(const std::string& id) const { return queue_.position(id); }
  std::size_t waiting() const { return queue_.waiting(); }
  std::size_t working() const { return queue_.working(); }

 private:
  void work();
  void one(const Queue::Item& item);
  void look(const Queue::Item& item);
  void watch();
  void keep_claims();
  void compare(const Engine& engine);
  void sweep(const Engine& engine, const std::vector<routing::EnvId>& orphans);
  void note_health(const Engine& engine, const std::string& error, std::size_t environments,
                   std::size_t orphans);
  void forget_health(const std::vector<EnginePtr>& living);
  void tidy();

  store::Database& database_;
  const ControlSettings& settings_;
  const Engines& engines_;
  const std::string token_;
  std::function<void()> committed_, before_look_;
  Pass pass_;
  Queue queue_;
  std::stop_source stopping_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  bool resync_now_ = false;
  std::map<std::string, std::stop_source> passes_;  // that are going on, by environment
  std::map<std::string, EngineHealth> health_;
  std::vector<std::thread> threads_;
};

}  // namespace envgate::control
