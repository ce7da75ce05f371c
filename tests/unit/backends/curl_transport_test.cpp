// The transport against a socket that answers as it is told: limits, deadlines, cancellation, hijacking.
#include "backends/docker/curl_transport.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <future>
#include <thread>

#include "backends/docker/curl_stream.hpp"
#include "base/fd.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::backends::docker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Serves one connection: reads until it has seen `until`, writes `answer`; then reads until it has seen
// `and_then` and writes `more`. With `hold` it then keeps the connection until the other side goes.
struct Script {
  std::string until = "\r\n\r\n";
  std::string answer;
  bool hold = false;
  std::string and_then{};
  std::string more{};
};

class Server {
 public:
  Server(const std::string& path, Script script) : script_(std::move(script)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_.get(), 1) != 0) {
      throw std::runtime_error("cannot listen at " + path);
    }
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  // What the other side wrote. Requires: it has ended.
  std::string heard() { return heard_future_.get(); }
  std::shared_future<void> answered() { return answered_future_; }

 private:
  void serve() {
    std::string heard;
    {
      const Fd connection(accept(listener_.get(), nullptr, nullptr));
      read_until(connection, script_.until, heard);
      write_all(connection, script_.answer);
      answered_.set_value();
      if (!script_.and_then.empty()) read_until(connection, script_.and_then, heard);
      write_all(connection, script_.more);
      if (script_.hold) read_until(connection, "never written", heard);
    }
    heard_.set_value(heard);
  }
  static void read_until(const Fd& connection, const std::string& wanted, std::string& heard) {
    char buffer[4096];
    while (heard.find(wanted) == std::string::npos) {
      const ssize_t got = recv(connection.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return;
      heard.append(buffer, static_cast<std::size_t>(got));
    }
  }
  static void write_all(const Fd& connection, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  Script script_;
  Fd listener_;
  std::promise<std::string> heard_;
  std::future<std::string> heard_future_ = heard_.get_future();
  std::promise<void> answered_;
  std::shared_future<void> answered_future_ = answered_.get_future().share();
  std::thread thread_;
};

class CurlTransportTest : public ::testing::Test {
 protected:
  std::unique_ptr<Server> serve(Script script) { return std::make_unique<Server>(path, std::move(script)); }
  Outcome<Response> get(std::size_t most = 1000) {
    return transport.send({"GET", "/v1.41/x?y=%2F", "", {"X-Test: 1"}, most, {}}, Call::within(seconds(20)));
  }
  test::TempDir directory;
  const std::string path = directory.path("engine.sock");
  CurlTransport transport{EngineAddress{path, "", "", "", ""}};
};

TEST_F(CurlTransportTest, GetsAndPosts) {
  {
    const auto server =
        serve({"\r\n\r\n", "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nhi"});
    const auto response = get();
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "hi");
    EXPECT_EQ(response->api_version, "1.41");
    const std::string heard = server->heard();
    EXPECT_EQ(heard.rfind("GET /v1.41/x?y=%2F HTTP/1.1\r\n", 0), 0u) << heard;
    EXPECT_NE(heard.find("X-Test: 1\r\n"), std::string::npos);
  }
  unlink(path.c_str());
  const auto server = serve({"{\"a\":1}", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"});
  const auto response = transport.send({"POST", "/x", "{\"a\":1}", {}, 10, {}}, Call::within(seconds(20)));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_NE(server->heard().find("Content-Length: 7\r\n"), std::string::npos);
}

TEST_F(CurlTransportTest, NobodyThere) {
  const auto missing = get();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().cause, Cause::unreachable);
  EXPECT_NE(missing.error().message.find(path + " is not there"), std::string::npos)
      << missing.error().message;

  { const auto gone = serve({}); }  // leaves its socket behind
  const auto refused = get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause, Cause::unreachable);
  EXPECT_NE(refused.error().message.find("nobody answers"), std::string::npos) << refused.error().message;
}

TEST_F(CurlTransportTest, AnswersAreBounded) {
  const auto server = serve({"\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'x')});
  const auto response = get(1000);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::failed);
  EXPECT_NE(response.error().message.find("more than 1000 bytes"), std::string::npos);
}

TEST_F(CurlTransportTest, BrokenOffAndNotHttp) {
  for (const std::string& answer :
       {std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), std::string("SSH-2.0-x\r\n")}) {
    const auto server = serve({"\r\n\r\n", answer});
    const auto response = get();
    ASSERT_FALSE(response) << answer;
    EXPECT_EQ(response.error().cause, Cause::unreachable);
    unlink(path.c_str());
  }
}

TEST_F(CurlTransportTest, TheDeadlineEndsIt) {
  const auto server = serve({"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", true});
  const auto response = transport.send({"GET", "/", "", {}, 100, {}}, Call::within(milliseconds(50)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::timeout);
}

TEST_F(CurlTransportTest, CancelledWhileItWaits) {
  const auto server = serve({"\r\n\r\n", "", true});
  std::stop_source source;
  Call call = Call::within(std::chrono::hours(1));
  call.cancel = source.get_token();
  std::thread canceller([&, answered = server->answered()] {
    answered.wait();
    source.request_stop();
  });
  const auto response = transport.send({"GET", "/", "", {}, 100, {}}, call);
  canceller.join();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::cancelled);
}

TEST_F(CurlTransportTest, StreamsByPieces) {
  std::string taken;
  Request request{"GET", "/", "", {}, 1 << 20, [&](std::string_view bytes) {
                    taken += bytes;
                    return taken.size() < 3;
                  }};
  const auto server = serve({"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", true});
  const auto response = transport.send(request, Call::within(milliseconds(200)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::timeout);
  EXPECT_EQ(taken, "ab") << "what had come was given on at once";
}

constexpr char kUpgraded[] =
    "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";

TEST_F(CurlTransportTest, ConversesOnAHijackedStream) {
  const auto server = serve({"{}", kUpgraded + std::string("first "), false, "secret\n", "second"});
  const auto response = transport.converse({"POST", "/exec/1/start", "{}", {}, 1000, {}}, Secret("secret\n"),
                                           Call::within(seconds(20)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 101);
  EXPECT_EQ(response->body, "first second");
  const std::string heard = server->heard();
  EXPECT_EQ(heard.substr(heard.size() - 9), "{}secret\n");
}

TEST_F(CurlTransportTest, ARefusedStreamHearsNoSecret) {
  const auto server = serve({"{}", "HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\nnot", true});
  const auto response = transport.converse({"POST", "/exec/1/start", "{}", {}, 1000, {}}, Secret("secret"),
                                           Call::within(seconds(20)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 409);
  EXPECT_EQ(response->body, "not");
  EXPECT_EQ(server->heard().find("secret"), std::string::npos);
}

TEST_F(CurlTransportTest, HijackedStreamsAreBoundedInSizeAndTime) {
  {
    const auto server = serve({"{}", kUpgraded + std::string(100'000, 'x'), true});
    const auto response =
        transport.converse({"POST", "/", "{}", {}, 1000, {}}, Secret(), Call::within(seconds(20)));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().cause, Cause::failed);
  }
  unlink(path.c_str());
  const auto server = serve({"{}", kUpgraded, true});
  const auto response =
      transport.converse({"POST", "/", "{}", {}, 1000, {}}, Secret(), Call::within(milliseconds(50)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::timeout);
}

TEST(StreamHeads, AreReadStrictly) {
  const std::string good = "HTTP/1.1 101 UPGRADED\r\nContent-Length:  12\r\n\r\n";
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto head = parse_stream_head(good.substr(0, size));
    ASSERT_TRUE(head) << size;
    EXPECT_FALSE(*head) << size;
  }
  const auto head = parse_stream_head(good + "rest");
  ASSERT_TRUE(head && *head);
  EXPECT_EQ((*head)->status, 101);
  EXPECT_EQ((*head)->size, good.size());
  EXPECT_EQ((*head)->content_length, 12u);
  EXPECT_EQ(
      (*parse_stream_head("HTTP/1.1 500 x\r\nContent-Length: 99999999999999999999\r\n\r\n"))->content_length,
      0u);
  for (const std::string& bad :
       {std::string("SSH-2.0"), std::string("HTTP/2 200\r\n\r\n"), std::string("HTTP/1.1 20\r\n\r\n"),
        std::string("HTTP/1.1\r\n\r\n"), std::string("HTTP/1.1 abc\r\n\r\n"),
        "HTTP/1.1 200 " + std::string(20000, 'x')}) {
    EXPECT_FALSE(parse_stream_head(bad)) << bad.substr(0, 30);
  }
}

}  // namespace
}  // namespace envgate::backends::docker
