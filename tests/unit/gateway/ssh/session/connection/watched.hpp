// An observer of files between two ends that are played, and what it tells.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/ssh/session/connection/file_observer.hpp"

namespace envgate::ssh::session::test {

class Watched : public testing::Test {
 protected:
  void client(std::string_view bytes) { observer->data(Side::client, bytes); }
  void target(std::string_view bytes) { observer->data(Side::target, bytes); }

  // The one event told since, without its channel.
  monitor::FileMoved told() {
    EXPECT_EQ(events.size(), 1u);
    monitor::FileMoved event = events.empty() ? monitor::FileMoved() : events[0];
    EXPECT_TRUE(events.empty() || event.channel == 4);
    event.channel = 0;
    events.clear();
    return event;
  }
  void stopped(const std::string& who) {
    EXPECT_FALSE(observer->observing());
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().operation, "unobserved");
    EXPECT_NE(events.back().result.find(who), std::string::npos) << events.back().result;
  }

  const Sink sink = [this](monitor::RecordEvent event) {
    events.push_back(std::get<monitor::FileMoved>(std::move(event)));
  };
  std::vector<monitor::FileMoved> events;
  std::unique_ptr<FileObserver> observer;
};

inline constexpr const char* kHashOfNothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr const char* kHashOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

}  // namespace envgate::ssh::session::test
