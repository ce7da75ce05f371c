// A backend in memory: what "runs" is a map, and a test may remove, stop or move a thing behind the
// controller's back, or let calls fail. It keeps the contract's rules (generation, idempotence).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "backends/backend.hpp"

namespace envgate::test {

using namespace backends;

class FakeBackend final : public Backend {
 public:
  std::atomic<int> ensures = 0, lists = 0, stops = 0, destroys = 0, scans = 0, at_once = 0, most_at_once = 0;
  std::chrono::milliseconds slow{0};

  void fail_with(std::optional<backends::Failure> failure) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
  }
  void remove_by_hand(const std::string& id) {
    const std::lock_guard lock(mutex_);
    things_.erase(id);
  }
  void change_by_hand(const std::string& id, const std::function<void(Observed&)>& change) {
    const std::lock_guard lock(mutex_);
    change(things_[id]);
  }
  void add_by_hand(const std::string& id) {
    const std::lock_guard lock(mutex_);
    things_[id].environment = *EnvId::parse(id);
  }
  std::map<std::string, Observed> things() const {
    const std::lock_guard lock(mutex_);
    return things_;
  }
  std::vector<std::string> keys_of(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(id);
    return found == keys_.end() ? std::vector<std::string>() : found->second;
  }
  // What an ssh server shows from now on; without keys it does not answer.
  void show(HostKeys shown) {
    const std::lock_guard lock(mutex_);
    shown_ = std::move(shown);
  }
  std::string password_of(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = passwords_.find(id);
    return found == passwords_.end() ? "" : found->second;
  }

  std::vector<FieldError> validate(const Wanted& wanted) const override {
    if (wanted.image == "never") return {{"image", "can never be made here"}};
    return {};
  }
  Outcome<Observed> ensure(const Wanted& w, const Call& call) override {
    const Busy busy(*this);
    ++ensures;
    if (call.progress) call.progress({"create", "", 1, 2});
    const std::lock_guard lock(mutex_);
    if (failure_) return tl::unexpected(*failure_);
    Observed& seen = things_[w.environment.str()];
    if (seen.generation > w.generation) return failure(Cause::conflict, "newer");
    if (seen.instance.empty() || seen.generation < w.generation) {
      seen.instance = "i" + std::to_string(++made_);
      passwords_.erase(w.environment.str());
      keys_.erase(w.environment.str());
    }
    seen.environment = w.environment;
    seen.generation = w.generation;
    seen.owner = w.owner;
    if (seen.state != backends::State::running)
      seen.address = IpAddress::parse("127.0.0." + std::to_string(2 + ++starts_ % 250)).value();
    seen.state = backends::State::running;
    if (w.login) {
      passwords_[w.environment.str()] = w.login->password.reveal();
      if (!w.login->authorized_keys.empty()) keys_[w.environment.str()] = w.login->authorized_keys;
    }
    return seen;
  }
  Outcome<Observed> stop(const EnvId& id, std::chrono::seconds, const Call&) override {
    const Busy busy(*this);
    ++stops;
    const std::lock_guard lock(mutex_);
    if (failure_) return tl::unexpected(*failure_);
    const auto found = things_.find(id.str());
    if (found == things_.end()) return absent(id);
    found->second.state = backends::State::stopped;
    found->second.address.reset();
    return found->second;
  }
  Outcome<void> destroy(const EnvId& id, Volumes, const Call&) override {
    const Busy busy(*this);
    ++destroys;
    const std::lock_guard lock(mutex_);
    if (failure_) return tl::unexpected(*failure_);
    things_.erase(id.str());
    return {};
  }
  Outcome<Observed> observe(const EnvId& id, const Call&) override {
    const std::lock_guard lock(mutex_);
    if (failure_) return tl::unexpected(*failure_);
    const auto found = things_.find(id.str());
    return found == things_.end() ? absent(id) : found->second;
  }
  Outcome<HostKeys> host_keys(const Observed&, const Call&) override {
    ++scans;
    const std::lock_guard lock(mutex_);
    if (shown_.keys.empty()) return failure(Cause::unreachable, "no ssh server answers");
    return shown_;
  }
  Outcome<std::vector<Observed>> list(const Call&) override {
    ++lists;
    const std::lock_guard lock(mutex_);
    if (failure_) return tl::unexpected(*failure_);
    std::vector<Observed> all;
    for (const auto& [id, seen] : things_) all.push_back(seen);
    return all;
  }

 private:
  struct Busy {
    explicit Busy(FakeBackend& of) : backend(of) {
      const int now = ++backend.at_once;
      int most = backend.most_at_once;
      while (now > most && !backend.most_at_once.compare_exchange_weak(most, now)) {
      }
      if (backend.slow.count() > 0) std::this_thread::sleep_for(backend.slow);
    }
    ~Busy() { --backend.at_once; }
    FakeBackend& backend;
  };
  static Observed absent(const EnvId& id) {
    Observed none;
    none.environment = id;
    return none;
  }
  mutable std::mutex mutex_;
  std::map<std::string, Observed> things_;
  std::map<std::string, std::string> passwords_;
  std::map<std::string, std::vector<std::string>> keys_;
  HostKeys shown_{{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"}, "OpenSSH_9.2p1"};
  std::optional<backends::Failure> failure_;
  int made_ = 0, starts_ = 0;
};

}  // namespace envgate::test
