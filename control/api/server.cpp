#include "control/api/server.hpp"

#include <poll.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/ip.hpp"
#include "base/log.hpp"
#include "control/api/hub.hpp"
#include "control/secrets/random.hpp"

namespace envgate::control::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::generic::stream_protocol;
using boost::system::error_code;
using std::chrono::seconds;

constexpr std::size_t kMostBody = 1 << 20, kMostHead = 16 << 10, kStreamPiece = 64 << 10;
constexpr seconds kIdle{75}, kRead{30}, kWrite{10}, kHandshake{10}, kGoodbye{2}, kMostWait{300},
    kStreamTick{1};
constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

using PlainStream = beast::basic_stream<stream_protocol>;
using TlsStream = beast::ssl_stream<PlainStream>;
using Acceptor = asio::basic_socket_acceptor<stream_protocol>;
using ContextPtr = std::shared_ptr<asio::ssl::context>;

// Connections that are open at a door.
struct Crowd {
  std::size_t all = 0;
  std::map<std::string, std::size_t> by;  // account or address
};

struct Listener {
  Door door;
  Acceptor acceptor;
  std::shared_ptr<Crowd> crowd = std::make_shared<Crowd>();
};

// A connection's place in the crowd. Those that a stop() cuts give it back when the I/O context goes, which
// is after the listeners.
class Place {
 public:
  Place(const Listener& listener, std::string whose) : crowd_(listener.crowd), whose_(std::move(whose)) {
    ++crowd_->all;
    ++crowd_->by[whose_];
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    --crowd_->all;
    if (--crowd_->by[whose_] == 0) crowd_->by.erase(whose_);
  }
  std::size_t of_the_same() const { return crowd_->by[whose_]; }

 private:
  std::shared_ptr<Crowd> crowd_;
  std::string whose_;
};

// The token of "Authorization: Bearer TOKEN" (RFC 6750).
std::string bearer_of(beast::string_view value) {
  constexpr std::size_t kScheme = 7;
  if (!beast::iequals(value.substr(0, std::min(kScheme, value.size())), "bearer ")) return "";
  return std::string(value.substr(kScheme));
}

std::string peer_of_socket(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "an unknown address";
  return Endpoint::from_sockaddr(address).address.to_string();
}

// Mozilla's "intermediate" list, as the gateway offers it.
ContextPtr make_context(const std::string& certificate, const std::string& key, error_code& failed) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  context->use_certificate_chain_file(certificate, failed);
  if (!failed) context->use_private_key_file(key, asio::ssl::context::pem, failed);
  if (!failed && SSL_CTX_check_private_key(context->native_handle()) != 1)
    failed = asio::error::invalid_argument;
  return context;
}

// RFC 7240: "wait=30", perhaps among others.
std::optional<seconds> wait_of(beast::string_view prefer) {
  const auto at = prefer.find("wait=");
  if (at == beast::string_view::npos ||
      (at > 0 && std::string_view(" ,;").find(prefer[at - 1]) == std::string_view::npos))
    return std::nullopt;
  unsigned value = 0;
  const auto text = prefer.substr(at + 5);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || value == 0) return std::nullopt;
  return std::min(seconds(value), kMostWait);
}

std::string text_of(const http::request<http::string_body>& message, http::field field) {
  const auto value = message[field];
  return std::string(value.data(), value.size());
}

Request request_of(http::request<http::string_body>&& message) {
  Request request;
  request.id = secrets::make_id();
  request.method = std::string(message.method_string());
  request.old_http = message.version() == 10;
  request.content_type = text_of(message, http::field::content_type);
  request.if_match = text_of(message, http::field::if_match);
  request.idempotency_key = std::string(message["Idempotency-Key"]);
  request.last_event_id = std::string(message["Last-Event-ID"]);
  request.wait = wait_of(message["Prefer"]);
  request.body = std::move(message.body());
  return request;
}

http::response<http::string_body> message_of(Response&& response, const Request& request, bool keep_alive) {
  http::response<http::string_body> message;
  message.version(request.old_http ? 10 : 11);
  message.result(static_cast<unsigned>(response.status));
  message.set(http::field::content_type, response.content_type);
  message.set("X-Request-ID", request.id);
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  message.body() = std::move(response.body);
  message.prepare_payload();
  return message;
}

// Whether the peer has closed. One that has only ended its own side still waits for an answer.
bool has_gone(int fd) {
  pollfd look{fd, 0, 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

Response refusal(int status, std::string code, std::string detail) {
  Request nobody;
  nobody.id = secrets::make_id();
  return problem_response({status, std::move(code), std::move(detail), {}}, nobody);
}

}  // namespace

struct Server::Inside {
  Inside(Options how, Handler handle)
      : options(how), handler(std::move(handle)), workers(how.workers), changers(how.workers), hub(io) {}

  Options options;
  Handler handler;
  asio::io_context io{1};
  asio::thread_pool workers;
  asio::thread_pool changers;  // changes wait for each other in the database: reads must not wait behind them
  Hub hub;
  Authenticate authenticate;
  Admit admit;
  std::list<Listener> listeners;
  std::mutex mutex;
  ContextPtr tls;  // of new connections
  std::thread thread;

  // Runs `work` on one of `pool` and comes back to the I/O thread with what it returned. Requires: its
  // captures are references and pointers; g++ 12 destroys the captures of a closure in a co_await's
  // expression twice.
  template <typename Work>
  asio::awaitable<std::invoke_result_t<Work&>> on_worker(asio::thread_pool& pool, Work work) {
    using T = std::invoke_result_t<Work&>;
    static_assert(std::is_trivially_destructible_v<Work>);
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(T)>(
        [&pool](auto done, Work job) {
          asio::post(pool, [done = std::move(done), job = std::move(job)]() mutable {
            T value = job();
            auto home = asio::get_associated_executor(done);
            asio::post(home, [done = std::move(done), value = std::move(value)]() mutable {
              done(std::move(value));
            });
          });
        },
        asio::use_awaitable, std::move(work));
  }

  // Until something changes after the look that began at `wakes`.
  asio::awaitable<void> sleep(seconds at_most, std::uint64_t wakes) {
    if (hub.wakes() != wakes) co_return;
    Hub::Sleeper sleeper(hub, at_most);
    co_await sleeper.timer().async_wait(kTuple);
  }

  asio::awaitable<void> accept(Listener& listener);
  asio::awaitable<void> serve_plain(Listener& listener, stream_protocol::socket socket);
  asio::awaitable<void> serve_tls(Listener& listener, stream_protocol::socket socket);
  // Whose requests they are, as far as it is known before they are read.
  struct From {
    Door door;
    Caller caller;
    std::string peer;
  };
  template <typename S>
  asio::awaitable<void> serve(S& stream, const From& from);
  template <typename S>
  asio::awaitable<bool> answer(S& stream, Request& request, bool keep_alive);
  template <typename S>
  asio::awaitable<void> pour(S& stream, Response response, const Request& request);
  template <typename S>
  asio::awaitable<void> refuse_reading(S& stream, error_code error);
  // The last answer of a connection of which not all was read.
  template <typename S>
  asio::awaitable<void> refuse(S& stream, Response response, const Request& request, bool has_ended = false);
};

// Requests, one after the other, until the caller has gone or has been told to.
template <typename S>
asio::awaitable<void> Server::Inside::serve(S& stream, const From& from) {
  beast::flat_buffer buffer(kMostHead + kMostBody + 4096);
  for (bool first = true;; first = false) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMostHead);
    parser.body_limit(kMostBody);
    beast::get_lowest_layer(stream).expires_after(first || buffer.size() > 0 ? kRead : kIdle);
    auto [error, size] = co_await http::async_read_header(stream, buffer, parser, kTuple);
    // RFC 9112, 6.3: where the last coding is not chunked, nobody knows the body's end.
    if (!error && parser.get().count(http::field::transfer_encoding) > 0 && !parser.chunked())
      error = http::error::bad_transfer_encoding;
    Request head;
    head.door = from.door, head.caller = from.caller, head.peer = from.peer;
    if (!error && from.door != Door::control) {
      const auto& read = parser.get();
      head.id = secrets::make_id();
      head.bearer = bearer_of(read[http::field::authorization]);
      head.path = std::string(read.target().substr(0, read.target().find('?')));
      auto refused = co_await on_worker(
          workers, [this, &head] { return std::make_shared<std::optional<Response>>(admit(head)); });
      if (*refused) co_return co_await refuse(stream, std::move(**refused), head);
    }
    // RFC 9110, 10.1.1: the body comes once it has been asked for.
    if (!error && !parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue"))
      std::tie(error, size) = co_await asio::async_write(stream, asio::buffer(kGoOn), kTuple);
    if (!error) std::tie(error, size) = co_await http::async_read(stream, buffer, parser, kTuple);
    if (error) co_return co_await refuse_reading(stream, error);
    const bool keep_alive = parser.get().keep_alive();
    const auto target = parser.get().target();
    std::string path(target.data(), target.size());
    Request request = request_of(parser.release());
    request.door = head.door, request.caller = std::move(head.caller), request.peer = std::move(head.peer);
    bool go_on = false;
    if (!take_target(path, request)) {
      auto message = message_of(
          problem_response({400, "bad_target", "the path or query is not well formed", {}}, request), request,
          false);
      beast::get_lowest_layer(stream).expires_after(kWrite);
      co_await http::async_write(stream, message, kTuple);
    } else {
      go_on = co_await answer(stream, request, keep_alive);
    }
    if (!go_on) co_return;
  }
}

// What could not be read is answered where that makes sense.
template <typename S>
asio::awaitable<void> Server::Inside::refuse_reading(S& stream, error_code error) {
  Response response;
  if (error == http::error::body_limit)
    response = refusal(413, "too_large", "the body is longer than 1 MiB");
  else if (error == http::error::header_limit || error == http::error::buffer_overflow)
    response = refusal(431, "head_too_large", "the request's head is longer than 16 KiB");
  else if (error == http::error::end_of_stream ||
           error.category() != http::make_error_code(http::error::bad_method).category())
    co_return;
  else
    response = refusal(400, "not_http", "this is not a request of HTTP/1.1: " + error.message());
  co_await refuse(stream, std::move(response), Request(), error == http::error::partial_message);
}

template <typename S>
asio::awaitable<void> Server::Inside::refuse(S& stream, Response response, const Request& request,
                                             bool has_ended) {
  auto message = message_of(std::move(response), request, false);
  beast::get_lowest_layer(stream).expires_after(kWrite);
  co_await http::async_write(stream, message, kTuple);
  if (has_ended) co_return;  // Asio would wait for its end a second time, and in vain
  // The rest of an unread body would make the kernel reset the connection before the answer is read.
  std::array<char, 16384> rest;
  for (std::size_t heard = 0; heard < 4 * kMostBody;) {
    const auto [gone, size] = co_await stream.async_read_some(asio::buffer(rest), kTuple);
    if (gone) co_return;
    heard += size;
  }
}

template <typename S>
asio::awaitable<bool> Server::Inside::answer(S& stream, Request& request, bool keep_alive) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  asio::thread_pool& pool = reads ? workers : changers;
  auto response =
      co_await on_worker(pool, [this, &request] { return std::make_shared<Response>(handler(request)); });
  if (response->later) {
    const auto until = std::chrono::steady_clock::now() + response->wait;
    for (bool waiting = true; waiting;) {
      const auto left = std::chrono::ceil<seconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) break;
      const std::uint64_t wakes = hub.wakes();
      auto now = co_await on_worker(workers, [&response] {
        auto answer = response->later();
        return answer ? std::make_shared<Response>(std::move(*answer)) : nullptr;
      });
      waiting = !now;
      if (now) response = now;
      if (waiting) co_await sleep(std::min(left, kStreamTick), wakes);
      if (waiting && has_gone(beast::get_lowest_layer(stream).socket().native_handle())) co_return false;
    }
  }
  if (response->stream) {
    co_await pour(stream, std::move(*response), request);
    co_return false;
  }
  auto message = message_of(std::move(*response), request, keep_alive);
  http::response_serializer<http::string_body> serializer(message);
  beast::get_lowest_layer(stream).expires_after(kWrite);
  error_code error;
  if (request.method == "HEAD")
    std::tie(error, std::ignore) = co_await http::async_write_header(stream, serializer, kTuple);
  else
    std::tie(error, std::ignore) = co_await http::async_write(stream, serializer, kTuple);
  co_return !error && keep_alive;
}

// A stream's pieces: in chunks, or, to HTTP/1.0, until the end of the connection.
template <typename S>
asio::awaitable<void> Server::Inside::pour(S& stream, Response response, const Request& request) {
  const std::shared_ptr<Stream> source = std::move(response.stream);
  http::response<http::empty_body> head;
  head.version(request.old_http ? 10 : 11);
  head.result(200);
  head.set(http::field::content_type, response.content_type);
  head.set("X-Request-ID", request.id);
  for (const auto& [name, value] : response.headers) head.set(name, value);
  head.keep_alive(false);
  if (!request.old_http) head.chunked(true);
  http::response_serializer<http::empty_body> serializer(head);
  beast::get_lowest_layer(stream).expires_after(kWrite);
  const auto [error, size] = co_await http::async_write_header(stream, serializer, kTuple);
  if (error || request.method == "HEAD") co_return;
  std::string text;
  for (;;) {
    text.clear();
    const std::uint64_t wakes = hub.wakes();
    const bool goes_on = co_await on_worker(workers, [&source, &text] { return source->next(text); });
    for (std::size_t at = 0; at < text.size(); at += kStreamPiece) {
      const auto part = asio::buffer(text.data() + at, std::min(kStreamPiece, text.size() - at));
      // Who does not take a piece within this time is too slow.
      beast::get_lowest_layer(stream).expires_after(kWrite);
      error_code failed;
      if (request.old_http) {
        const auto [wrong, sent] = co_await asio::async_write(stream, part, kTuple);
        failed = wrong;
      } else {
        const auto [wrong, sent] = co_await asio::async_write(stream, http::make_chunk(part), kTuple);
        failed = wrong;
      }
      if (failed) co_return;
    }
    if (!goes_on && source->complete() && !request.old_http)
      co_await asio::async_write(stream, http::make_chunk_last(), kTuple);
    if (!goes_on) co_return;
    if (!text.empty()) continue;
    co_await sleep(kStreamTick, wakes);
    if (has_gone(beast::get_lowest_layer(stream).socket().native_handle())) co_return;
  }
}

asio::awaitable<void> Server::Inside::serve_plain(Listener& listener, stream_protocol::socket socket) {
  From from{listener.door, {}, ""};
  if (listener.door == Door::control)
    from.caller = authenticate(socket.native_handle());
  else
    from.peer = peer_of_socket(socket.native_handle());
  const Place place(listener, listener.door == Door::control ? from.caller.account : from.peer);
  if (from.caller.role < Role::admin && place.of_the_same() > options.connections_each) co_return;
  PlainStream stream(std::move(socket));
  co_await serve(stream, from);
  error_code ignored;
  stream.socket().shutdown(stream_protocol::socket::shutdown_both, ignored);
}

asio::awaitable<void> Server::Inside::serve_tls(Listener& listener, stream_protocol::socket socket) {
  const From from{listener.door, {}, peer_of_socket(socket.native_handle())};
  const Place place(listener, from.peer);
  if (place.of_the_same() > options.connections_each) co_return;
  ContextPtr context;
  {
    const std::lock_guard lock(mutex);
    context = tls;
  }
  TlsStream stream(PlainStream(std::move(socket)), *context);
  beast::get_lowest_layer(stream).expires_after(kHandshake);
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
  if (!error) {
    co_await serve(stream, from);
    beast::get_lowest_layer(stream).expires_after(kGoodbye);
    co_await stream.async_shutdown(kTuple);
  }
}

asio::awaitable<void> Server::Inside::accept(Listener& listener) {
  for (;;) {
    stream_protocol::socket socket(io);
    const auto [error] = co_await listener.acceptor.async_accept(socket, kTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // out of descriptors: those that are open will end
      co_await sleep(kStreamTick, hub.wakes());
      continue;
    }
    if (listener.crowd->all >= options.connections) continue;  // closed at once
    if (listener.door == Door::tls)
      asio::co_spawn(io, serve_tls(listener, std::move(socket)), asio::detached);
    else
      asio::co_spawn(io, serve_plain(listener, std::move(socket)), asio::detached);
  }
}

Server::Server(Options options, Handler handler)
    : inside_(std::make_unique<Inside>(options, std::move(handler))) {}
Server::~Server() { stop(); }

void Server::listen(Door door, Fd socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const stream_protocol protocol(address.ss_family, 0);
  inside_->listeners.push_back({door, Acceptor(inside_->io, protocol, socket.release())});
}

void Server::authenticate_by(Authenticate authenticate, Admit admit) {
  inside_->authenticate = std::move(authenticate);
  inside_->admit = std::move(admit);
}

Result<void> Server::use_certificate(const std::string& certificate, const std::string& key) {
  error_code failed;
  ContextPtr context = make_context(certificate, key, failed);
  if (failed)
    return fail(certificate + " and " + key + " are no certificate and its key: " + failed.message());
  const std::lock_guard lock(inside_->mutex);
  inside_->tls = std::move(context);
  return {};
}

void Server::start() {
  Inside& inside = *inside_;
  for (Listener& listener : inside.listeners)
    asio::co_spawn(inside.io, inside.accept(listener), asio::detached);
  inside.thread = std::thread([&inside] { inside.io.run(); });
}

void Server::stop() {
  if (!inside_->thread.joinable()) return;
  inside_->io.stop();
  inside_->thread.join();
  inside_->workers.join();
  inside_->changers.join();
}

void Server::poke() { inside_->hub.poke(); }

}  // namespace envgate::control::api
