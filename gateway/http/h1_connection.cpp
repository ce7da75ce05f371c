#include "gateway/http/h1_connection.hpp"

#include <string>

#include "gateway/http/h1_exchange.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/redirect.hpp"
#include "gateway/http/respond.hpp"
#include "gateway/net/buffer.hpp"

namespace envgate::http {
namespace {

using net::IoResult;
using net::IoStatus;

// After the last answer the client may still be sending; closing then would reset the connection, and the
// reset can overtake the answer (RFC 9112 section 9.6). So: FIN, then read and forget, within bounds.
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kLingerBytes = 256 * 1024;

struct Connection {
  gateway::Worker& worker;
  gateway::Session& session;
  net::Stream& stream;
  const Client& client;
  H1Purpose purpose;
  net::Buffer input;
  bool first = true;
};

HeadLimits head_limits(const gateway::GatewaySettings& settings) {
  HeadLimits limits;
  limits.request_line = settings.http.max_request_line.count;
  limits.head = std::min<std::size_t>(settings.http.max_head_bytes.count, net::Buffer::kSize);
  limits.field_line = limits.head;
  limits.fields = settings.http.max_fields;
  return limits;
}

loop::Task<void> linger(Connection& c) {
  c.stream.shutdown_write();
  c.input.release();
  const loop::Deadline deadline = c.worker.reactor.after(kLingerTime);
  std::size_t read = 0;
  while (read < kLingerBytes) {
    const bool ready = co_await net::wait_readable(c.stream, deadline);
    if (!ready) break;
    net::Buffer waste;
    const IoResult got = co_await net::read_some(c.stream, waste.space(), deadline);
    if (!got.ok()) break;
    read += got.bytes;
  }
}

loop::Task<void> refuse(Connection& c, const Verdict& verdict) {
  const RequestId request_id;
  log_unrouted(c.worker, c.client, verdict.status, verdict.reason, request_id);
  ErrorContext context;
  context.request_id = request_id;
  std::string out;
  append_error_response(out, kind_of(verdict.status), context, /*close=*/true, /*head_only=*/false);
  const loop::Deadline deadline = c.worker.reactor.after(kLingerTime);
  const net::IoResult written = co_await net::write_all(c.stream, out, deadline);
  if (written.ok()) co_await linger(c);
}

enum class Next : std::uint8_t { head, refused, gone };

// Reads until a whole head stands at the front of c.input.
loop::Task<Next> next_head(Connection& c, const HeadLimits& limits, ScannedHead& head, Verdict& verdict) {
  // Copies: a reload may replace the settings while this waits.
  const auto request_head = c.worker.settings->timeouts.request_head, idle = c.worker.settings->timeouts.idle;
  HeadScanner scanner(Side::request, limits);
  // The first head is due within request_head of the handshake; a later one may be waited for as long as
  // `idle`, and from its first byte on has request_head. Both are absolute: a byte now and then gains
  // nothing.
  bool started = c.first || !c.input.empty();
  loop::Deadline deadline = c.worker.reactor.after(started ? request_head : idle);
  for (;;) {
    const Scan scan = scanner.scan(c.input.bytes());
    if (scan.state == Scan::complete) {
      head = scan.head;
      co_return Next::head;
    }
    if (scan.state == Scan::rejected || c.input.full()) {
      verdict = scan.state == Scan::rejected ? scan.verdict : reject(431, "head_too_large");
      co_return Next::refused;
    }
    if (c.input.empty()) {
      c.input.release();
      c.session.busy = false;
      if (c.worker.draining && !c.first) co_return Next::gone;
      const bool ready = co_await net::wait_readable(c.stream, deadline);
      c.session.busy = true;
      if (!ready) {
        verdict = reject(408, "request_head_timeout");
        co_return c.first ? Next::refused : Next::gone;
      }
    }
    const IoResult got = co_await net::read_some(c.stream, c.input.space(), deadline);
    if (got.status == IoStatus::error && got.error == ETIMEDOUT) {
      verdict = reject(408, "request_head_timeout");
      co_return started ? Next::refused : Next::gone;
    }
    if (!got.ok()) co_return Next::gone;
    c.input.commit(got.bytes);
    if (!started) deadline = c.worker.reactor.after(request_head);
    started = true;
  }
}

// One request and its answer. True: the connection may carry another.
loop::Task<bool> serve_request(Connection& c, const ScannedHead& head) {
  H1Exchange exchange(c.worker, c.stream, c.input, head.size());
  const Verdict verdict = parse_request_head(head, exchange.head());
  if (!verdict.ok()) {
    co_await refuse(c, verdict);
    co_return false;
  }
  loop::Task<bool> answering = c.purpose == H1Purpose::redirect
                                   ? redirect(c.worker, exchange, c.client)
                                   : respond(c.worker, c.session, exchange, c.client);
  bool reusable = co_await std::move(answering);
  reusable = reusable && exchange.finish();
  if (!reusable && !exchange.tunnelled() && !exchange.aborted()) co_await linger(c);
  co_return reusable;
}

}  // namespace

loop::Task<void> serve_h1(gateway::Worker& worker, gateway::Session& session, net::Stream& stream,
                          const Client& client, H1Purpose purpose) {
  Connection c{worker, session, stream, client, purpose, {}, true};
  for (;;) {
    const HeadLimits limits = head_limits(*worker.settings);
    ScannedHead head;
    Verdict verdict;
    const Next next = co_await next_head(c, limits, head, verdict);
    if (next == Next::refused) co_await refuse(c, verdict);
    if (next != Next::head) break;
    const bool reusable = co_await serve_request(c, head);
    if (!reusable) break;
    c.first = false;
  }
  stream.shutdown_write();
}

}  // namespace envgate::http
