#include "gateway/admin/connection.hpp"

#include <algorithm>
#include <string>

#include "gateway/http/chunked.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/loop/event.hpp"
#include "gateway/net/buffer.hpp"

namespace envgate::admin {
namespace {

using net::IoResult;
using net::IoStatus;

constexpr http::HeadLimits kHeadLimits{4 * 1024, 4 * 1024, 8 * 1024, 64};
constexpr std::chrono::seconds kLingerTime{1};
constexpr std::size_t kLingerBytes = 256 * 1024;

struct Conversation {
  net::Socket& socket;
  const ConnectionLimits& limits;
  net::Buffer input;
  bool close = false;

  loop::Reactor& reactor() { return socket.watch().reactor(); }
};

// How reading a part of a request went.
struct Part {
  enum State : std::uint8_t { whole, gone, refused } state = gone;
  Response response;  // where refused
  static Part refuse(int status, std::string_view why) { return {refused, problem(status, why)}; }
};

loop::Task<Part> read_head(Conversation& c, http::RequestHead& head, std::size_t& size) {
  http::HeadScanner scanner(http::Side::request, kHeadLimits);
  loop::Deadline deadline = c.reactor().after(c.limits.idle);
  for (bool begun = false;;) {
    const http::Scan scan = scanner.scan(c.input.bytes());
    http::Verdict verdict = scan.verdict;
    if (scan.state == http::Scan::complete) {
      size = scan.head.size();
      verdict = http::parse_request_head(scan.head, head);
      if (verdict.ok()) co_return Part{Part::whole, {}};
    }
    if (!verdict.ok())
      co_return Part::refuse(verdict.status, "the request's head is refused: " + std::string(verdict.reason));
    if (!begun && scanner.started(c.input.bytes())) {
      begun = true;
      deadline = c.reactor().after(c.limits.head);
    }
    const IoResult got = co_await net::read_some(c.socket, c.input.space(), deadline);
    if (got.ok())
      c.input.commit(got.bytes);
    else if (begun && got.error == ETIMEDOUT)
      co_return Part::refuse(408, "the request's head did not arrive in time");
    else
      co_return Part{Part::gone, {}};
  }
}

// More of a body into the input, which was used up.
loop::Task<Part> read_more(Conversation& c, loop::Deadline deadline) {
  const IoResult got = co_await net::read_some(c.socket, c.input.space(), deadline);
  if (got.ok())
    c.input.commit(got.bytes);
  else if (got.error == ETIMEDOUT)
    co_return Part::refuse(408, "the request's body did not arrive in time");
  co_return Part{got.ok() ? Part::whole : Part::gone, {}};
}

Part too_large(const Conversation& c) {
  return Part::refuse(413, "the body is larger than " + std::to_string(c.limits.body) + " bytes");
}

loop::Task<Part> read_sized(Conversation& c, std::uint64_t size, loop::Deadline deadline, std::string& body) {
  if (size > c.limits.body) co_return too_large(c);
  for (;;) {
    const std::size_t taken = std::min<std::size_t>(c.input.size(), size - body.size());
    body.append(c.input.bytes().substr(0, taken));
    c.input.consume(taken);
    if (body.size() == size) co_return Part{Part::whole, {}};
    Part more = co_await read_more(c, deadline);
    if (more.state != Part::whole) co_return more;
  }
}

loop::Task<Part> read_chunked(Conversation& c, loop::Deadline deadline, std::string& body) {
  http::ChunkedDecoder decoder;
  for (;;) {
    const auto step = decoder.next(c.input.bytes());
    if (body.size() + step.data.size() > c.limits.body) co_return too_large(c);
    body.append(step.data);
    c.input.consume(step.consumed);
    switch (step.state) {
      case http::ChunkedDecoder::Step::done:
        co_return Part{Part::whole, {}};
      case http::ChunkedDecoder::Step::error:
        co_return Part::refuse(400, "the body's chunked coding is broken: " + std::string(decoder.reason()));
      case http::ChunkedDecoder::Step::have_data:
        break;
      case http::ChunkedDecoder::Step::need_more: {
        Part more = co_await read_more(c, deadline);
        if (more.state != Part::whole) co_return more;
      }
    }
  }
}

// One request, whole. The head's views point into the input: what is needed of it is copied before more is
// read.
loop::Task<Part> read_request(Conversation& c, Request& request) {
  http::RequestHead head;
  std::size_t head_size = 0;
  Part part = co_await read_head(c, head, head_size);
  if (part.state != Part::whole) co_return part;
  request.method = head.method;
  request.method_name = head.method_name;
  c.close = !head.keep_alive;
  if (auto refused = read_target(head.path, head.query, request)) part = {Part::refused, std::move(*refused)};
  const http::Framing framing = head.framing;
  const std::uint64_t length = head.content_length;
  const bool wants_continue = head.expect_continue;
  c.input.consume(head_size);
  if (part.state != Part::whole || !head.has_body()) co_return part;

  const loop::Deadline deadline = c.reactor().after(c.limits.body_time);
  if (wants_continue && length <= c.limits.body && c.input.empty())
    co_await net::write_all(c.socket, "HTTP/1.1 100 Continue\r\n\r\n", deadline);
  if (framing == http::Framing::chunked) co_return co_await read_chunked(c, deadline, request.body);
  co_return co_await read_sized(c, length, deadline, request.body);
}

std::string chunk_of(std::string_view bytes) {
  char size[24];
  const int length = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return std::string(size, static_cast<std::size_t>(length)).append(bytes).append("\r\n");
}

// False: the client has gone.
loop::Task<bool> send_stream(Conversation& c, BodySource& source) {
  // Shared: what another thread has posted may arrive when this task is no more.
  const auto arrived = std::make_shared<loop::Event>(c.reactor());
  source.start([&reactor = c.reactor(), arrived] { reactor.post([arrived] { arrived->set(); }); });
  for (bool more = true; more;) {
    std::string piece;
    more = source.next(piece);
    if (piece.empty() && more) {
      const bool came = co_await arrived->wait(c.reactor().after(c.limits.heartbeat));
      if (came) continue;
      piece = source.heartbeat();
    }
    std::string text = piece.empty() ? std::string() : chunk_of(piece);
    if (!more) text += "0\r\n\r\n";
    const IoResult sent = co_await net::write_all(c.socket, text, c.reactor().after(c.limits.write));
    if (!sent.ok()) co_return false;
  }
  co_return true;
}

// The client may still be sending what was refused: closing on it would reset the connection and could take
// the answer with it (RFC 9112 section 9.6).
loop::Task<void> linger(Conversation& c) {
  c.socket.shutdown_write();
  const loop::Deadline deadline = c.reactor().after(kLingerTime);
  for (std::size_t read = 0; read < kLingerBytes;) {
    c.input.release();
    const IoResult got = co_await net::read_some(c.socket, c.input.space(), deadline);
    if (!got.ok()) break;
    read += got.bytes;
  }
}

}  // namespace

loop::Task<void> serve_connection(net::Socket& socket, Caller caller, const ConnectionLimits& limits,
                                  const Answer& answer) {
  Conversation c{socket, limits, {}};
  while (!c.close) {
    Request request;
    request.caller = caller;
    Part part = co_await read_request(c, request);
    if (part.state == Part::gone) co_return;
    if (part.state == Part::refused) c.close = true;  // where its end is, is no longer sure
    const Response response = part.state == Part::refused ? std::move(part.response) : answer(request);
    const std::string text = to_http(response, c.close, request.method == http::Method::head);
    const IoResult sent = co_await net::write_all(socket, text, c.reactor().after(limits.write));
    if (!sent.ok()) co_return;
    if (response.stream && request.method != http::Method::head) {
      const bool told = co_await send_stream(c, *response.stream);
      if (!told) co_return;
    }
    co_await loop::yield(c.reactor());  // one who asks without a pause must not keep the others waiting
  }
  co_await linger(c);
}

}  // namespace envgate::admin
