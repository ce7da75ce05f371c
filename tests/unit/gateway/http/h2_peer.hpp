// The two ends of an HTTP/2 connection under test: a server with an H2Session on a reactor in a thread of its
// own, whose requests a function of the test answers; and nghttp2's client, driven step by step from the
// test's thread. Between them a socket pair, so that blocking, short writes and resets are the kernel's own.
#pragma once

#include <nghttp2/nghttp2.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gateway/http/h2_session.hpp"
#include "gateway/net/socket.hpp"

namespace envgate::http {

class TestServer final : H2Service {
 public:
  using Handler = loop::Task<bool> (*)(TestServer&, Exchange&);

  // Takes `fd`.
  TestServer(int fd, Handler handler, const H2Options& options = {});
  ~TestServer();

  void add(int fd);  // another connection, on the same thread; takes it

  bool ended() const { return ended_; }
  bool is_busy() const { return busy_; }
  int requests() const { return requests_; }
  std::vector<std::string> misbehaviour();  // reasons so far
  void drain() { draining_ = true; }
  void cancel();  // destroys the session with all its tasks, as a worker does that is out of patience

  loop::Reactor& reactor() { return reactor_; }
  void note(std::string text);  // by handlers
  std::vector<std::string> notes();
  std::atomic<int> tasks{0};    // handlers that are running; kept by Running
  std::atomic<std::size_t> counted{0};

 private:
  loop::Task<bool> answer(Exchange& exchange) override;
  std::string refused(const Verdict& verdict) override;
  void misbehaved(std::string_view reason) override;
  void busy(bool busy) override { busy_ = busy; }
  bool draining() const override { return draining_; }
  loop::Task<void> serve(H2Options options);
  loop::Task<void> serve_another(int fd);
  void run(int fd, H2Options options);

  Handler handler_;
  std::atomic<bool> ended_{false}, busy_{false}, draining_{false}, started_{false};
  std::atomic<int> requests_{0};
  std::mutex mutex_;
  std::vector<std::string> misbehaviour_, notes_;
  loop::Reactor reactor_;
  net::Socket* socket_ = nullptr;
  loop::Scope* scope_ = nullptr;
  std::thread thread_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct ClientStream {
  std::vector<Headers> heads;  // 1xx, the answer's, trailers: in order
  std::string body;
  bool end_stream = false, closed = false;
  std::uint32_t error_code = 0;

  std::string field(std::string_view name, std::size_t head = 0) const;
  std::string status(std::size_t head = 0) const { return field(":status", head); }
};

class TestClient {
 public:
  struct Options {
    std::uint32_t stream_window = 1 << 20;
    bool auto_window_update = true;
    bool raw = false;  // nothing is sent but what send_raw is given
  };
  explicit TestClient(int fd) : TestClient(fd, Options()) {}
  TestClient(int fd, const Options& options);
  ~TestClient();

  // `more`: the request goes on by send_data and end.
  std::int32_t request(Headers fields, bool more = false);
  std::int32_t get(std::string path);
  void send_data(std::int32_t stream, std::string_view data);
  void end(std::int32_t stream, Headers trailers = {});
  void reset(std::int32_t stream, std::uint32_t code = NGHTTP2_CANCEL);
  void consume(std::int32_t stream, std::size_t n);

  // Sends and receives until `done`; false after `seconds`, or once the server has closed and it still is
  // not.
  bool run_until(const std::function<bool()>& done, double seconds = 5);
  bool run_until_closed(double seconds = 5);
  void run_for(double seconds);

  void send_raw(std::string_view bytes);
  void shut();  // closes the socket

  ClientStream& stream(std::int32_t id) { return streams_[id]; }
  bool server_closed() const { return server_closed_; }
  int goaways() const { return goaways_; }
  std::uint32_t goaway_code() const { return goaway_code_; }
  std::uint32_t remote_setting(std::uint32_t id) const;
  nghttp2_session* session() { return session_; }

 private:
  friend struct ClientCallbacks;
  bool step(int milliseconds);
  void write_out();

  struct Upload {
    std::string waiting;
    bool ended = false, deferred = false;
    Headers trailers;
  };
  int fd_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, ClientStream> streams_;
  std::map<std::int32_t, Upload> uploads_;
  std::string outgoing_;
  bool server_closed_ = false, raw_ = false;
  int goaways_ = 0;
  std::uint32_t goaway_code_ = 0;
};

// Waits for what the server's thread does: false after five seconds.
bool eventually(const std::function<bool()>& done);

struct SocketPair {
  SocketPair();
  int server, client;
};

// The fields of a request to https://a.example.
Headers request_fields(std::string method, std::string path, Headers more = {});

// For handlers.
ResponseHead response(int status, Framing framing, std::uint64_t length = 0);
ResponseForwarding http2_forwarding(Framing framing);
loop::Task<bool> answer_text(Exchange& exchange, std::string_view text);

struct Running {
  explicit Running(TestServer& s) : server(s) { ++server.tasks; }
  ~Running() { --server.tasks; }
  TestServer& server;
};

}  // namespace envgate::http
