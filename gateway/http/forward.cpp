#include "gateway/http/forward.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "gateway/http/chunked.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/target_pool.hpp"
#include "gateway/http/tunnel.hpp"
#include "gateway/http/upload.hpp"
#include "gateway/http/websocket.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/metrics.hpp"

namespace envgate::http {
namespace {

using net::IoResult;
using net::IoStatus;

// A target may send so many 1xx before its answer, as many as a browser could make use of and more.
constexpr int kMostInformational = 16;

const HeadLimits& response_limits() {
  static const HeadLimits limits{8 * 1024, 16 * 1024, net::Buffer::kSize - 1024, 200};
  return limits;
}

// Safe to send again on a new connection when a pooled one turned out to be dead (RFC 9110 section 9.2.2).
bool is_idempotent(Method method) {
  switch (method) {
    case Method::get: case Method::head: case Method::options: case Method::put: case Method::delete_: return true;
    default: return false;
  }
}

// One request on its way; the parts of forward() share it.
class Forwarder final : Abandoned {
 public:
  Forwarder(gateway::Worker& worker, gateway::Session& session, Exchange& exchange, const Client& client,
            const ForwardTarget& target, std::string_view request_id, Forwarded& out)
      : worker_(worker), session_(session), exchange_(exchange), client_(client), target_(target),
        request_id_(request_id), out_(out), settings_(worker.settings) {}

  ~Forwarder() {
    exchange_.on_abandoned(nullptr);
    if (!multiplexed()) session_.target_stream = nullptr;
    session_.progress.to_target += multiplexed() || !out_.tunnel ? out_.to_target : 0;
    session_.progress.to_client += multiplexed() || !out_.tunnel ? out_.to_client : 0;
  }

  loop::Task<void> run();

 private:
  enum class Attempt : std::uint8_t { done, again };
  enum class Head : std::uint8_t { complete, nothing, broken, timed_out, bad, client_gone };

  void abandoned() override {
    client_gone_ = true;
    if (connection_) connection_->stream().abort(false);
  }

  // Several requests share the client's connection: it ends its own streams, and the session names no one target.
  bool multiplexed() const { return exchange_.request().version == Version::http2; }
  TargetKey key() const {
    return {target_.route->env, target_.route->generation, {target_.route->address, target_.port.target_port}, target_.port.scheme};
  }
  loop::Task<bool> connect();
  loop::Task<Attempt> attempt();
  void write_head(std::string& out);
  loop::Task<Head> read_head();
  loop::Task<bool> answer();
  loop::Task<bool> body_of_length();
  loop::Task<bool> body_chunked();
  loop::Task<bool> body_until_close();
  loop::Task<bool> more();
  // response_head runs from the end of the request: a target that is still taking the body is not late.
  bool upload_moves() {
    const bool moved = upload_.under_way() && out_.to_target != seen_to_target_;
    seen_to_target_ = out_.to_target;
    return moved;
  }
  loop::Task<void> start_tunnel();
  loop::Task<void> fail(ErrorKind kind, std::string_view result);
  ResponseForwarding response_forwarding() const;

  gateway::Worker& worker_;
  gateway::Session& session_;
  Exchange& exchange_;
  const Client& client_;
  const ForwardTarget& target_;
  std::string_view request_id_;
  Forwarded& out_;
  gateway::GatewaySettingsPtr settings_;
  TargetConnectionPtr connection_;
  Upload upload_;
  ResponseHead response_;
  std::array<char, kWebSocketKeySize> generated_key_{};
  std::string own_host_;
  std::size_t head_size_ = 0;  // of the response, still in connection_->received
  std::uint64_t seen_to_target_ = 0;
  bool client_gone_ = false;
  bool target_ended_ = false;  // by closing, not by a reset
};

loop::Task<void> Forwarder::run() {
  exchange_.on_abandoned(this);
  for (int attempts = 0;; ++attempts) {
    const bool connected = co_await connect();
    if (!connected) co_return;
    const Attempt attempted = co_await attempt();
    if (attempted == Attempt::done) break;
    connection_.reset();
    if (attempts >= 2) {
      co_await fail(ErrorKind::target_refused, "target_reset");
      break;
    }
  }
  exchange_.on_abandoned(nullptr);
}

loop::Task<bool> Forwarder::connect() {
  connection_ = worker_.pool->take(key());
  if (!connection_) {
    auto opened = co_await worker_.pool->open(key());
    if (!opened) {
      const bool slow = opened.error().code == ETIMEDOUT;
      co_await fail(slow ? ErrorKind::target_timeout : ErrorKind::target_refused, slow ? "target_timeout" : "target_refused");
      co_return false;
    }
    connection_ = std::move(*opened);
  }
  if (client_gone_) {
    out_.result = "client_gone";
    out_.reusable = false;
    co_return false;
  }
  if (!multiplexed()) session_.target_stream = &connection_->stream();
  co_return true;
}

void Forwarder::write_head(std::string& out) {
  const RequestHead& request = exchange_.request();
  Forwarding forwarding;
  forwarding.client_address = client_.address;
  forwarding.proto = client_.proto;
  forwarding.request_id = request_id_;
  forwarding.forward_expect = request.expect_continue;
  if (request.upgrade == Upgrade::websocket && request.version == Version::http2) {
    generated_key_ = generate_websocket_key();
    forwarding.websocket_key = {generated_key_.data(), generated_key_.size()};
  }
  append_request_head(out, request, forwarding);
}

loop::Task<Forwarder::Attempt> Forwarder::attempt() {
  const RequestHead& request = exchange_.request();
  const loop::Time sent = worker_.reactor.now();
  std::string head;
  head.reserve(1024);
  write_head(head);
  loop::Scope uploading;
  const bool had_body = !exchange_.body_ended() && request.upgrade == Upgrade::none;
  if (had_body) {
    uploading.start(upload_.run(worker_, exchange_, connection_->stream(), head, out_.to_target));
  } else {
    const IoResult written = co_await net::write_all(connection_->stream(), head, worker_.reactor.after(settings_->timeouts.response_head));
    if (!written.ok() && connection_->reused && !client_gone_) co_return Attempt::again;
  }
  const Head got = co_await read_head();
  if (client_gone_) {
    out_.result = "client_gone";
    out_.reusable = false;
    exchange_.abort();
    co_return Attempt::done;
  }
  if (got == Head::nothing && connection_->reused && !had_body && is_idempotent(request.method)) co_return Attempt::again;
  if (got != Head::complete) {
    if (upload_.client_failed()) co_await fail(upload_.error_kind(), upload_.reason());
    else if (got == Head::timed_out) co_await fail(ErrorKind::target_timeout, "target_timeout");
    else if (got == Head::bad) co_await fail(ErrorKind::target_bad_answer, "target_bad_answer");
    else co_await fail(ErrorKind::target_refused, "target_reset");
    co_return Attempt::done;
  }
  gateway::the_metrics().target_head_seconds.observe(std::chrono::duration<double>(worker_.reactor.now() - sent).count());
  if (response_.upgrade == Upgrade::websocket) {
    co_await start_tunnel();
    co_return Attempt::done;
  }
  out_.status = response_.status;
  const bool complete = co_await answer();
  if (!complete) {
    out_.reusable = false;
    if (out_.result == "success") out_.result = client_gone_ ? "client_gone" : "target_broke_off";
    exchange_.abort();
    co_return Attempt::done;
  }
  // The answer is whole. A target that answered before it had the whole request keeps the rest unread: neither
  // connection can be used again.
  if (!uploading.empty() || (had_body && !upload_.complete())) {
    out_.reusable = false;
    co_return Attempt::done;
  }
  if (!multiplexed()) session_.target_stream = nullptr;
  if (response_.keep_alive) worker_.pool->give_back(std::move(connection_));
  co_return Attempt::done;
}

loop::Task<Forwarder::Head> Forwarder::read_head() {
  const RequestHead& request = exchange_.request();
  const ResponseContext context{request.upgrade == Upgrade::websocket ? Method::get : request.method, request.upgrade};
  HeadScanner scanner(Side::response, response_limits());
  net::Buffer& buffer = connection_->received;
  bool anything = false;
  for (int informational = 0;;) {
    const Scan scan = scanner.scan(buffer.bytes());
    if (scan.state == Scan::rejected) co_return Head::bad;
    if (scan.state == Scan::need_more) {
      if (buffer.full()) co_return Head::bad;
      const auto timeout = settings_->timeouts.response_head;
      if (buffer.empty()) {
        buffer.release();
        const bool ready = co_await net::wait_readable(connection_->stream(), worker_.reactor.after(timeout));
        if (!ready && upload_moves()) continue;
        if (!ready) co_return Head::timed_out;
      }
      const IoResult got = co_await net::read_some(connection_->stream(), buffer.space(), worker_.reactor.after(timeout));
      if (got.status == IoStatus::error && got.error == ETIMEDOUT) co_return Head::timed_out;
      if (!got.ok()) co_return anything ? Head::broken : Head::nothing;
      anything = true;
      buffer.commit(got.bytes);
      continue;
    }
    response_.clear();
    const Verdict verdict = parse_response_head(scan.head, context, response_);
    if (!verdict.ok()) {
      log::debug("target_bad_answer").environment(target_.route->env.view()).text("reason", verdict.reason);
      co_return Head::bad;
    }
    if (!response_.informational()) {
      // The head's bytes are let go only once it is sent on; body_* begin behind it.
      head_size_ = scan.head.size();
      co_return Head::complete;
    }
    if (++informational > kMostInformational) co_return Head::bad;
    const bool wanted = response_.status != 100 || request.expect_continue;
    if (wanted && request.version != Version::http10) {
      const bool sent = co_await exchange_.send_informational(response_);
      if (!sent) {
        client_gone_ = true;
        co_return Head::client_gone;
      }
    }
    buffer.consume(scan.head.size());
    scanner.reset();
  }
}

ResponseForwarding Forwarder::response_forwarding() const {
  ResponseForwarding forwarding;
  forwarding.client_version = exchange_.request().version;
  forwarding.framing = client_framing(response_, forwarding.client_version);
  forwarding.own_host = own_host_;
  forwarding.request_id = request_id_;
  return forwarding;
}

// Sends head and body. False: cut short, by either side.
loop::Task<bool> Forwarder::answer() {
  const std::string_view host = exchange_.request().authority.host;
  own_host_.assign(host.begin(), host.end());
  ResponseForwarding forwarding = response_forwarding();
  if (!exchange_.body_ended()) forwarding.close = true;  // it may never be read to its end
  exchange_.send_head(response_, forwarding);
  if (forwarding.framing == Framing::until_end && forwarding.client_version != Version::http2) out_.reusable = false;
  if (forwarding.close) out_.reusable = false;
  connection_->received.consume(head_size_);
  static const FieldList kNoTrailers;
  switch (response_.framing) {
    case Framing::none: co_return co_await exchange_.send_end(kNoTrailers);
    case Framing::length: co_return co_await body_of_length();
    case Framing::chunked: co_return co_await body_chunked();
    case Framing::until_end: co_return co_await body_until_close();
  }
  co_return false;
}

// Waits for more of the body. What the client can already have is sent first. False: end, or an error.
loop::Task<bool> Forwarder::more() {
  net::Buffer& buffer = connection_->received;
  buffer.release();  // Requires: empty
  net::Stream& stream = connection_->stream();
  if (!stream.watch().ready(loop::Direction::read) && !stream.has_pending()) {
    const bool flushed = co_await exchange_.flush();
    if (!flushed) {
      client_gone_ = true;
      co_return false;
    }
    co_await net::wait_readable(stream, loop::kNever);
  }
  const IoResult got = co_await net::read_some(stream, buffer.space(), loop::kNever);
  if (!got.ok()) {
    target_ended_ = got.status == IoStatus::end;
    co_return false;
  }
  buffer.commit(got.bytes);
  co_return true;
}

loop::Task<bool> Forwarder::body_of_length() {
  net::Buffer& buffer = connection_->received;
  std::uint64_t left = response_.content_length;
  static const FieldList kNoTrailers;
  if (left == 0) co_return co_await exchange_.send_end(kNoTrailers);
  for (;;) {
    if (buffer.empty()) {
      const bool any = co_await more();
      if (!any) co_return false;
    }
    const std::string_view piece = buffer.bytes().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size())));
    left -= piece.size();
    out_.to_client += piece.size();
    loop::Task<bool> sending = left == 0 ? exchange_.send_last(piece) : exchange_.send_body(piece);
    const bool sent = co_await std::move(sending);
    if (!sent) {
      client_gone_ = true;
      co_return false;
    }
    buffer.consume(piece.size());
    if (left == 0) co_return true;
  }
}

loop::Task<bool> Forwarder::body_chunked() {
  net::Buffer& buffer = connection_->received;
  ChunkedDecoder decoder;
  for (;;) {
    if (buffer.empty()) {
      const bool any = co_await more();
      if (!any) co_return false;
    }
    // What one read brought leaves as one piece: the data of its chunks are moved together, over their framing.
    const std::span<char> room = buffer.data();
    std::string_view input = buffer.bytes();
    std::size_t used = 0, gathered = 0;
    ChunkedDecoder::Step step;
    do {
      step = decoder.next(input);
      input.remove_prefix(step.consumed);
      used += step.consumed;
      if (step.state != ChunkedDecoder::Step::have_data) break;
      std::memmove(room.data() + gathered, step.data.data(), step.data.size());
      gathered += step.data.size();
    } while (!input.empty());
    if (step.state == ChunkedDecoder::Step::error) {
      out_.result = "target_bad_answer";
      co_return false;
    }
    out_.to_client += gathered;
    if (gathered > 0) {
      const bool sent = co_await exchange_.send_body({room.data(), gathered});
      if (!sent) {
        client_gone_ = true;
        co_return false;
      }
    }
    buffer.consume(used);
    if (step.state == ChunkedDecoder::Step::done) co_return co_await exchange_.send_end(decoder.trailers());
  }
}

loop::Task<bool> Forwarder::body_until_close() {
  net::Buffer& buffer = connection_->received;
  for (;;) {
    if (buffer.empty()) {
      const bool any = co_await more();
      if (!any) break;
    }
    out_.to_client += buffer.size();
    session_.progress.to_client += buffer.size();
    const bool sent = co_await exchange_.send_body(buffer.bytes());
    if (!sent) {
      client_gone_ = true;
      co_return false;
    }
    buffer.consume(buffer.size());
  }
  static const FieldList kNoTrailers;
  if (!target_ended_) co_return false;  // a reset is not an end
  co_return co_await exchange_.send_end(kNoTrailers);
}

loop::Task<void> Forwarder::start_tunnel() {
  const RequestHead& request = exchange_.request();
  const std::string_view key = request.version == Version::http2 ? std::string_view(generated_key_.data(), generated_key_.size())
                                                                 : websocket_key(request);
  const Verdict verdict = check_websocket_response(response_, key);
  if (!verdict.ok()) co_return co_await fail(ErrorKind::target_bad_answer, "websocket_bad_accept");
  own_host_.assign(request.authority.host);
  ResponseForwarding forwarding = response_forwarding();
  if (request.version == Version::http2) response_.status = 200;  // RFC 8441 section 5
  out_.status = response_.status;
  out_.tunnel = true;
  out_.reusable = false;
  exchange_.send_head(response_, forwarding);
  connection_->received.consume(head_size_);
  response_ = ResponseHead();  // gives its memory back: a tunnel may be idle for days
  own_host_ = std::string();
  exchange_.on_abandoned(nullptr);
  const bool flushed = co_await exchange_.flush();
  if (!flushed) co_return;
  // An HTTP/2 connection carries several: each counts for itself, and is added to the session when it is over.
  relay::Progress own;
  relay::Progress& progress = multiplexed() ? own : session_.progress;
  const relay::Progress before = progress;
  out_.result = co_await run_tunnel(worker_, exchange_, *connection_, progress);
  out_.to_target = progress.to_target - before.to_target;
  out_.to_client = progress.to_client - before.to_client;
}

loop::Task<void> Forwarder::fail(ErrorKind kind, std::string_view result) {
  out_.result = result;
  if (!exchange_.body_ended()) out_.reusable = false;
  if (exchange_.head_sent() || client_gone_) {
    out_.reusable = false;
    exchange_.abort();
    co_return;
  }
  out_.status = status_of(kind);
  const std::string env = target_.route->env.str();
  ErrorContext context;
  context.environment = env;
  context.port = target_.port.port;
  context.request_id = request_id_;
  if (const Field* accept = find_field(exchange_.request().fields, FieldId::accept)) context.accept = accept->value;
  const bool sent = co_await exchange_.send_error(kind, context);
  if (!sent) out_.reusable = false;
}

}  // namespace

loop::Task<void> forward(gateway::Worker& worker, gateway::Session& session, Exchange& exchange, const Client& client,
                         const ForwardTarget& target, std::string_view request_id, Forwarded& out) {
  Forwarder forwarder(worker, session, exchange, client, target, request_id, out);
  co_await forwarder.run();
}

}  // namespace envgate::http
