// A connection of the admin API over a socket pair: the server's side on a reactor of its own thread, the
// client's a plain blocking socket, with deadlines short enough to be waited for.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "gateway/admin/connection.hpp"
#include "gateway/loop/scope.hpp"

namespace envgate::admin {
namespace {

using std::chrono::milliseconds;

// Says what it is given from another thread, until it is told to end.
class Feed final : public BodySource {
 public:
  void start(std::function<void()> ready) override {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(ready);
    started_.notify_all();
  }
  bool next(std::string& piece) override {
    const std::lock_guard lock(mutex_);
    piece = std::exchange(waiting_, {});
    return !ended_;
  }
  std::string_view heartbeat() const override { return "<3"; }

  void say(std::string_view text, bool last) {
    std::unique_lock lock(mutex_);
    started_.wait(lock, [&] { return ready_ != nullptr; });
    waiting_ += text;
    ended_ = last;
    ready_();
  }

 private:
  std::mutex mutex_;
  std::condition_variable started_;
  std::function<void()> ready_;
  std::string waiting_;
  bool ended_ = false;
};

class AdminConnection : public testing::Test {
 protected:
  void serve(const ConnectionLimits& limits = {}) {
    limits_ = limits;
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    client_ = Fd(pair[0]);
    const timeval patience{20, 0};
    ::setsockopt(client_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    reactor_.post([this, fd = pair[1]] { scope_.start(run(Fd(fd))); });
    thread_ = std::thread([this] { reactor_.run(); });
  }

  void TearDown() override {
    client_.reset();
    reactor_.post([this] { scope_.cancel(); });
    reactor_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void send(std::string_view bytes) {
    ASSERT_EQ(::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // Everything until the server closes.
  std::string rest() {
    std::string out;
    char piece[4096];
    for (ssize_t got; (got = ::recv(client_.get(), piece, sizeof(piece), 0)) > 0;)
      out.append(piece, static_cast<std::size_t>(got));
    return out;
  }

  // Until what has come ends so, or no more does.
  std::string until(std::string_view end) {
    std::string got;
    for (char byte = 0; !got.ends_with(end) && ::recv(client_.get(), &byte, 1, 0) == 1;) got += byte;
    return got;
  }

  std::string status_line() { return rest().substr(0, 12); }

 private:
  loop::Task<void> run(Fd fd) {
    net::Socket socket;
    EXPECT_EQ(::fcntl(fd.get(), F_SETFL, O_NONBLOCK), 0);
    EXPECT_TRUE(socket.open(reactor_, std::move(fd)));
    const Answer answer = [this](Request& request) {
      if (request.path == "/feed") {
        Response response{200, "text/plain", {}, {}};
        response.stream = feed_;
        return response;
      }
      return Response{200, "text/plain", request.method_name + " " + request.path + " " + request.body, {}};
    };
    co_await serve_connection(socket, Caller{}, limits_, answer);
  }

  ConnectionLimits limits_;

 protected:
  const std::shared_ptr<Feed> feed_ = std::make_shared<Feed>();

 private:
  loop::Reactor reactor_;
  loop::Scope scope_;
  Fd client_;
  std::thread thread_;
};

TEST_F(AdminConnection, AStreamComesInChunksAndTheConnectionGoesOn) {
  serve();
  send("GET /feed HTTP/1.1\r\nHost: h\r\n\r\n");
  feed_->say("one", false);
  const std::string got = until("3\r\none\r\n");
  EXPECT_NE(got.find("Transfer-Encoding: chunked\r\n"), got.npos) << got;
  EXPECT_EQ(got.find("Content-Length"), got.npos) << got;
  feed_->say("the last", true);
  send("GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string more = rest();
  EXPECT_TRUE(more.starts_with("8\r\nthe last\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n")) << more;
  EXPECT_TRUE(more.ends_with("GET /x ")) << more;
}

TEST_F(AdminConnection, AStreamThatIsSilentBeatsAndItsHeadIsAllThatHeadGets) {
  ConnectionLimits limits;
  limits.heartbeat = milliseconds(20);
  serve(limits);
  send("HEAD /feed HTTP/1.1\r\nHost: h\r\n\r\nGET /feed HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string got = until("2\r\n<3\r\n2\r\n<3\r\n");
  EXPECT_TRUE(got.ends_with("\r\n\r\n2\r\n<3\r\n2\r\n<3\r\n")) << got;
  EXPECT_NE(got.find("\r\n\r\nHTTP/1.1 200 OK"), got.npos) << got;
}

TEST_F(AdminConnection, AnswersAndCloses) {
  serve();
  send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  const std::string answer = rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nPOST /x hello")) << answer;
}

TEST_F(AdminConnection, ByteByByteIsTheSame) {
  serve();
  for (const char c : std::string_view("PUT /y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                       "chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
    send({&c, 1});
  EXPECT_TRUE(rest().ends_with("PUT /y abc"));
}

TEST_F(AdminConnection, AHeadThatStopsHalfWayIsToldSo) {
  ConnectionLimits limits;
  limits.head = milliseconds(50);
  serve(limits);
  send("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(status_line(), "HTTP/1.1 408");
}

TEST_F(AdminConnection, ABodyThatStopsHalfWayIsToldSo) {
  ConnectionLimits limits;
  limits.body_time = milliseconds(50);
  serve(limits);
  send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_EQ(status_line(), "HTTP/1.1 408");
}

TEST_F(AdminConnection, SilenceEndsInSilence) {
  ConnectionLimits limits;
  limits.idle = milliseconds(50);
  serve(limits);
  EXPECT_EQ(rest(), "");
}

TEST_F(AdminConnection, BodiesHaveALimit) {
  ConnectionLimits limits;
  limits.body = 8;
  serve(limits);
  send(
      "PUT /8 HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n12345678PUT /9 HTTP/1.1\r\nHost: "
      "h\r\nContent-Length: 9\r\n\r\n");
  const std::string answers = rest();
  EXPECT_NE(answers.find("PUT /8 12345678"), std::string::npos) << answers;
  EXPECT_NE(answers.find("HTTP/1.1 413 "), std::string::npos) << answers;
}

TEST_F(AdminConnection, SoHaveChunkedOnes) {
  ConnectionLimits limits;
  limits.body = 8;
  serve(limits);
  send(
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n");
  EXPECT_EQ(status_line(), "HTTP/1.1 413");
}

TEST_F(AdminConnection, ABrokenTargetIsAnswered) {
  serve();
  send("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(), "HTTP/1.1 400");
}

}  // namespace
}  // namespace envgate::admin
