#include "tests/unit/gateway/http/h2_peer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

namespace envgate::http {

SocketPair::SocketPair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  server = fds[0];
  client = fds[1];
}

bool eventually(const std::function<bool()>& done) {
  for (int i = 0; i < 1000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// ---- the server ----

TestServer::TestServer(int fd, Handler handler, const H2Options& options) : handler_(handler) {
  thread_ = std::thread([this, fd, options] { run(fd, options); });
  while (!started_) std::this_thread::yield();
}

TestServer::~TestServer() {
  reactor_.stop();
  thread_.join();
}

void TestServer::run(int fd, H2Options options) {
  net::Socket socket;
  loop::Scope scope;
  if (!socket.open(reactor_, Fd(fd))) std::abort();
  socket_ = &socket;
  scope_ = &scope;
  scope.start(serve(options));
  started_ = true;
  reactor_.run();
}

loop::Task<void> TestServer::serve(H2Options options) {
  H2Session session(reactor_, *socket_, *this, options);
  co_await session.run();
  ended_ = true;
  socket_->close();
}

void TestServer::add(int fd) {
  reactor_.post([this, fd] { scope_->start(serve_another(fd)); });
}

loop::Task<void> TestServer::serve_another(int fd) {
  net::Socket socket;
  if (!socket.open(reactor_, Fd(fd))) std::abort();
  H2Session session(reactor_, socket, *this, {});
  co_await session.run();
}

void TestServer::cancel() {
  std::atomic<bool> done{false};
  reactor_.post([this, &done] {
    scope_->cancel();
    socket_->close();
    done = true;
  });
  while (!done) std::this_thread::yield();
}

loop::Task<bool> TestServer::answer(Exchange& exchange) {
  ++requests_;
  return handler_(*this, exchange);
}

std::string TestServer::refused(const Verdict& verdict) {
  note(std::string(verdict.reason));
  return "0123456789abcdef";
}

void TestServer::misbehaved(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  misbehaviour_.emplace_back(reason);
}

std::vector<std::string> TestServer::misbehaviour() {
  const std::lock_guard lock(mutex_);
  return misbehaviour_;
}

void TestServer::note(std::string text) {
  const std::lock_guard lock(mutex_);
  notes_.push_back(std::move(text));
}

std::vector<std::string> TestServer::notes() {
  const std::lock_guard lock(mutex_);
  return notes_;
}

// ---- the client ----

std::string ClientStream::field(std::string_view name, std::size_t head) const {
  if (head >= heads.size()) return "";
  for (const auto& [key, value] : heads[head])
    if (key == name) return value;
  return "";
}

namespace {

std::vector<nghttp2_nv> to_nv(const Headers& fields) {
  std::vector<nghttp2_nv> out;
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  for (const auto& [name, value] : fields)
    out.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  return out;
}

}  // namespace

struct ClientCallbacks {
  static TestClient& self(void* user) { return *static_cast<TestClient*>(user); }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    self(user).streams_[frame->hd.stream_id].heads.emplace_back();
    return 0;
  }
  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                    void* user) {
    self(user).streams_[frame->hd.stream_id].heads.back().emplace_back(
        std::string(reinterpret_cast<const char*>(name), name_size),
        std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
  }
  static int data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
    self(user).streams_[stream].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    TestClient& client = self(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      ++client.goaways_;
      client.goaway_code_ = frame->goaway.error_code;
    }
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (carries && ends) client.streams_[frame->hd.stream_id].end_stream = true;
    return 0;
  }
  static int close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    self(user).streams_[stream].closed = true;
    self(user).streams_[stream].error_code = code;
    return 0;
  }
  static ssize_t read(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t length,
                      std::uint32_t* flags, nghttp2_data_source*, void* user) {
    TestClient::Upload& upload = self(user).uploads_[stream];
    const std::size_t n = std::min(length, upload.waiting.size());
    if (n == 0 && !upload.ended) {
      upload.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    std::memcpy(into, upload.waiting.data(), n);
    upload.waiting.erase(0, n);
    if (upload.waiting.empty() && upload.ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!upload.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto fields = to_nv(upload.trailers);
        nghttp2_submit_trailer(session, stream, fields.data(), fields.size());
      }
    }
    return static_cast<ssize_t>(n);
  }
};

TestClient::TestClient(int fd, const Options& options) : fd_(fd), raw_(options.raw) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, ClientCallbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, ClientCallbacks::header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, ClientCallbacks::data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ClientCallbacks::frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, ClientCallbacks::close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_http_messaging(option, 1);  // so that it can send what is wrong
  if (!options.auto_window_update) nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
}

TestClient::~TestClient() {
  nghttp2_session_del(session_);
  shut();
}

void TestClient::shut() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::int32_t TestClient::request(Headers fields, bool more) {
  const auto list = to_nv(fields);
  nghttp2_data_provider provider{};
  provider.read_callback = ClientCallbacks::read;
  return nghttp2_submit_request(session_, nullptr, list.data(), list.size(), more ? &provider : nullptr,
                                nullptr);
}

std::int32_t TestClient::get(std::string path) {
  return request(request_fields("GET", std::move(path)));
}

void TestClient::send_data(std::int32_t stream, std::string_view data) {
  uploads_[stream].waiting.append(data);
  if (std::exchange(uploads_[stream].deferred, false)) nghttp2_session_resume_data(session_, stream);
}

void TestClient::end(std::int32_t stream, Headers trailers) {
  uploads_[stream].ended = true;
  uploads_[stream].trailers = std::move(trailers);
  if (std::exchange(uploads_[stream].deferred, false)) nghttp2_session_resume_data(session_, stream);
}

void TestClient::reset(std::int32_t stream, std::uint32_t code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, code);
}

void TestClient::consume(std::int32_t stream, std::size_t n) { nghttp2_session_consume(session_, stream, n); }

void TestClient::send_raw(std::string_view bytes) { outgoing_.append(bytes); }

void TestClient::write_out() {
  for (const std::uint8_t* bytes = nullptr; !raw_;) {
    const auto size = nghttp2_session_mem_send(session_, &bytes);
    if (size <= 0) break;
    outgoing_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  if (outgoing_.empty()) return;
  const auto sent = ::send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
  if (sent > 0) outgoing_.erase(0, static_cast<std::size_t>(sent));
}

bool TestClient::step(int milliseconds) {
  write_out();
  pollfd item{fd_, static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT)), 0};
  ::poll(&item, 1, milliseconds);
  char bytes[32 * 1024];
  const auto got = ::recv(fd_, bytes, sizeof(bytes), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    server_closed_ = true;
    return false;
  }
  const auto* in = reinterpret_cast<const std::uint8_t*>(bytes);
  if (got > 0) nghttp2_session_mem_recv(session_, in, static_cast<std::size_t>(got));
  write_out();
  return true;
}

bool TestClient::run_until(const std::function<bool()>& done, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    if (!step(10)) return done();
  }
  return true;
}

bool TestClient::run_until_closed(double seconds) {
  run_until([] { return false; }, seconds);
  return server_closed_;
}

void TestClient::run_for(double seconds) {
  run_until([] { return false; }, seconds);
}

std::uint32_t TestClient::remote_setting(std::uint32_t id) const {
  return nghttp2_session_get_remote_settings(session_, static_cast<nghttp2_settings_id>(id));
}

Headers request_fields(std::string method, std::string path, Headers more) {
  Headers fields = {{":method", std::move(method)}, {":scheme", "https"}, {":authority", "a.example"},
                    {":path", std::move(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// ---- for handlers ----

ResponseHead response(int status, Framing framing, std::uint64_t length) {
  ResponseHead head;
  head.status = status;
  head.framing = framing;
  head.content_length = length;
  head.has_content_length = framing == Framing::length;
  return head;
}

ResponseForwarding http2_forwarding(Framing framing) {
  ResponseForwarding forwarding;
  forwarding.client_version = Version::http2;
  forwarding.framing = framing;
  return forwarding;
}

loop::Task<bool> answer_text(Exchange& exchange, std::string_view text) {
  const ResponseHead head = response(200, Framing::length, text.size());
  exchange.send_head(head, http2_forwarding(Framing::length));
  co_return co_await exchange.send_last(text);
}

}  // namespace envgate::http
