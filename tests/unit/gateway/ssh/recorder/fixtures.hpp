// A recorder on a folder of the test's own, and what it was told.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "gateway/ssh/recorder/index.hpp"
#include "gateway/ssh/recorder/recorder.hpp"
#include "record/verify.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::ssh::recorder::test {

using envgate::test::read_file;
using envgate::test::TempDir;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Json = nlohmann::json;

inline constexpr seconds kPatience{30};

// Waits for what another thread does.
template <typename Condition>
bool eventually(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// What a handle's owner is told.
class Notices {
 public:
  Notify notify() {
    return [this](const Notice& notice) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(notice);
      arrived_.notify_all();
    };
  }
  bool wait(Notice::What what) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, kPatience, [&] { return count(what) > 0; });
  }
  std::vector<Notice> all() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::size_t count(Notice::What what) const {
    std::size_t count = 0;
    for (const Notice& notice : seen_) count += notice.what == what;
    return count;
  }
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Notice> seen_;
};

inline Opening opening(const std::string& id, std::uint64_t number = 7) {
  Opening out;
  out.facts.session = id;
  out.facts.environment = "training";
  out.facts.user = "root";
  out.facts.source = "192.0.2.7";
  out.facts.owner = "ada";
  out.facts.target = "10.0.0.4:22";
  out.facts.method = "publickey";
  out.facts.started_at = std::chrono::system_clock::now();
  out.number = number;
  return out;
}

inline std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
  return out;
}

inline monitor::Output shown(std::uint32_t channel, std::string bytes) {
  return {channel, monitor::Output::Stream::output, std::move(bytes)};
}

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() {
    options_.directory = dir_.path("records");
    options_.key_file = dir_.path("key");
    options_.min_free = Bytes{0};
    options_.max_age = Duration(0);
  }
  void start() {
    auto started = Recorder::start(options_);
    ASSERT_TRUE(started) << started.error().message;
    recorder_ = std::move(*started);
  }
  Handle open(const std::string& id, const monitor::Recording& recording = {}) {
    return recorder_->open(opening(id), recording, notices_.notify());
  }
  static auto now() { return std::chrono::steady_clock::now(); }
  std::string path(const std::string& name) const { return options_.directory + "/" + name; }
  IndexEntry entry(const std::string& id) { return read_entry(options_.directory, id).value(); }
  bool closed(const std::string& id) {
    return eventually([&] { return !recorder_->is_open(id); });
  }
  bool good(const std::string& name) {
    const auto verdict = record::verify_file(path(name), recorder_->public_key());
    return verdict && verdict->good();
  }

  TempDir dir_;
  Options options_;
  Notices notices_;  // outlives the recorder
  std::unique_ptr<Recorder> recorder_;
};

}  // namespace envgate::ssh::recorder::test
