// The admin API's door to records that are being written: a whole gateway in this process, without listeners
// for customers, and its recorder.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/gateway.hpp"
#include "tests/unit/gateway/ssh/recorder/fixtures.hpp"

namespace envgate::gateway {
namespace {

using namespace ssh::recorder::test;
using ssh::recorder::Handle;
using ssh::recorder::Recorder;

class AdminRecords : public testing::Test {
 protected:
  void SetUp() override {
    dir_.write("routes.yaml", "routes: []\n");
    CommandLine line;
    line.sets = {"ssh.bind=",
                 "metrics.bind=",
                 "workers=1",
                 "log.level=error",
                 "routes.source=file",
                 "routes.snapshot=",
                 "routes.file=" + dir_.path("routes.yaml"),
                 "admin.socket=" + dir_.path("admin.sock"),
                 "audit.records.directory=" + dir_.path("records"),
                 "audit.records.key_file=" + dir_.path("key"),
                 "audit.records.min_free=0"};
    auto loaded = load_gateway_settings(line, {});
    ASSERT_TRUE(loaded) << settings::to_text("envgate", loaded.error());
    gateway_ = std::make_unique<Gateway>(line, settings::Texts(), *loaded);
    const auto started = gateway_->start();
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_TRUE(recorder());
  }

  Recorder* recorder() { return gateway_->recorder(); }
  Handle open(const std::string& id) {
    return recorder()->open(opening(id, 256), {}, [](const auto&) {});
  }

  // A request's connection.
  Fd ask(const std::string& method, const std::string& target) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dir_.path("admin.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval patience{20, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::string text = method + " " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    return fd;
  }
  // What has come once `end` has, or nothing more does.
  static std::string read(const Fd& fd, std::string_view end) {
    std::string out;
    for (char byte = 0; (end.empty() || !out.ends_with(end)) && ::recv(fd.get(), &byte, 1, 0) == 1;)
      out += byte;
    return out;
  }
  int status(const std::string& method, const std::string& target) {
    const std::string answer = read(ask(method, target), {});
    return answer.size() > 12 ? std::stoi(answer.substr(9, 3)) : 0;
  }

  TempDir dir_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(AdminRecords, AWatcherSeesTheScreenAndWhatComesUntilTheEnd) {
  Handle handle = open("s-1");
  const auto now = std::chrono::steady_clock::now();
  handle.write(ssh::monitor::TerminalBegan{1, 80, 24, "xterm", ""}, now);
  handle.write(shown(1, "before"), now);
  const Fd watcher = ask("GET", "/api/sessions/s-1/watch");
  const std::string first = read(watcher, "data: {\"channel\":1,\"data\":\"before\"}\n\n\r\n");
  EXPECT_NE(first.find("Content-Type: text/event-stream\r\n"), first.npos) << first;
  EXPECT_NE(first.find("event: size\ndata: {\"channel\":1,\"columns\":80,\"rows\":24}\n\n"), first.npos)
      << first;
  handle.write(shown(1, "after\r\n"), now);
  EXPECT_TRUE(read(watcher, "data: {\"channel\":1,\"data\":\"after\\r\\n\"}\n\n\r\n").find("output") !=
              std::string::npos);
  handle.close("logged out");
  EXPECT_TRUE(read(watcher, {}).ends_with("event: end\ndata: {\"reason\":\"logged out\"}\n\n\r\n0\r\n\r\n"));
  EXPECT_EQ(status("GET", "/api/sessions/s-1/watch"), 404);
}

TEST_F(AdminRecords, WhatIsOpenIsShownAndNotRemoved) {
  Handle handle = open("s-1");
  handle.write(ssh::monitor::TerminalBegan{1, 80, 24, "xterm", ""}, std::chrono::steady_clock::now());
  ASSERT_TRUE(eventually([&] {
    const std::string shown_now = read(ask("GET", "/api/sessions/s-1"), {});
    return shown_now.find(R"("open":true)") != shown_now.npos &&
           shown_now.find(R"("state":"open")") != shown_now.npos;
  }));
  EXPECT_EQ(status("DELETE", "/api/sessions/s-1"), 409);
  handle.close("done");
  ASSERT_TRUE(eventually([&] { return !recorder()->is_open("s-1"); }));
  EXPECT_EQ(status("DELETE", "/api/sessions/s-1"), 200);
  EXPECT_EQ(status("GET", "/api/sessions/s-1"), 404);
}

TEST_F(AdminRecords, KilledByTheRecordsId) {
  Handle handle = open("s-1");
  // The number that it was opened with, of a session which this gateway does not have.
  EXPECT_NE(read(ask("DELETE", "/sessions/s-1"), {}).find("it may have ended"), std::string::npos);
  EXPECT_NE(read(ask("DELETE", "/sessions/s-2"), {}).find("is not open"), std::string::npos);
}

TEST_F(AdminRecords, TheGatewaysEndEndsWatchersAndRecords) {
  Handle handle = open("s-1");
  handle.write(ssh::monitor::TerminalBegan{1, 80, 24, "xterm", ""}, std::chrono::steady_clock::now());
  const Fd watcher = ask("GET", "/api/sessions/s-1/watch");
  ASSERT_NE(read(watcher, "event: size").size(), 0u);
  gateway_->stop();
  read(watcher, {});
  const auto entry = ssh::recorder::read_entry(dir_.path("records"), "s-1");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->reason, "the gateway has stopped");
}

}  // namespace
}  // namespace envgate::gateway
