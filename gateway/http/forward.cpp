#include "gateway/http/forward.hpp"

#include <string>

#include "gateway/http/date.hpp"
#include "gateway/http/forwarder.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/metrics.hpp"

namespace envgate::http {

using net::IoResult;
using net::IoStatus;

namespace {

// A target may send so many 1xx before its answer, as many as a browser could make use of and more.
constexpr int kMostInformational = 16;

// What the gateway's own fields add to a head, about.
constexpr std::size_t kHeadGrowth = 256;

// A pooled connection may turn out to be dead; the request is then sent again on another, so often at most.
constexpr int kMostAttempts = 3;

const HeadLimits& response_limits() {
  static const HeadLimits limits{8 * 1024, 16 * 1024, net::Buffer::kSize - 1024, 200};
  return limits;
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::options:
    case Method::put:
    case Method::delete_: return true;
    default: return false;
  }
}

}  // namespace

Forwarder::Forwarder(gateway::Worker& worker, gateway::Session& session, Exchange& exchange,
                     const Client& client, const ForwardTarget& target, std::string_view request_id,
                     Forwarded& out)
    : worker_(worker),
      session_(session),
      exchange_(exchange),
      client_(client),
      target_(target),
      request_id_(request_id),
      out_(out),
      settings_(worker.settings),
      throttle_(gateway::throttle_of(worker, *target.route)),
      upload_(worker, exchange, throttle_),
      scratch_(take_scratch()) {
  response_.fields.swap(scratch_->fields);
}

Forwarder::~Forwarder() {
  exchange_.on_abandoned(nullptr);
  if (!multiplexed()) session_.target_stream = nullptr;
  session_.progress.to_target += out_.to_target;
  session_.progress.to_client += out_.to_client;
  response_.clear();
  response_.fields.swap(scratch_->fields);
}

void Forwarder::abandoned() {
  client_gone_ = true;
  if (connection_) connection_->stream().abort(false);
}

TargetKey Forwarder::key() const {
  const Endpoint address{target_.route->address, target_.port.target_port};
  return {target_.route->env, target_.route->generation, address, target_.port.scheme};
}

// Whether it may be sent again when a pooled connection turns out to be dead (RFC 9110 section 9.2.2).
bool Forwarder::repeatable() const {
  return is_idempotent(exchange_.request().method) && !exchange_.request().has_body();
}

loop::Task<void> Forwarder::run() {
  exchange_.on_abandoned(this);
  for (int attempts = 1;; ++attempts) {
    const bool connected = co_await connect();
    if (!connected) co_return;
    const Attempt attempted = co_await attempt();
    if (attempted == Attempt::done) break;
    connection_.reset();
    if (attempts == kMostAttempts) {
      co_await fail(ErrorKind::target_refused, "target_reset");
      break;
    }
  }
  exchange_.on_abandoned(nullptr);
}

loop::Task<bool> Forwarder::connect() {
  connection_ = worker_.pool->take(key(), repeatable() ? Freshness::as_told : Freshness::checked);
  if (!connection_) {
    auto opened = co_await worker_.pool->open(key());
    if (!opened) {
      const bool slow = opened.error().code == ETIMEDOUT;
      co_await fail(slow ? ErrorKind::target_timeout : ErrorKind::target_refused,
                    slow ? "target_timeout" : "target_refused");
      co_return false;
    }
    connection_ = std::move(*opened);
  }
  if (client_gone_) {
    cut();
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
  asked_ = worker_.reactor.now();
  const loop::Time sent = asked_;
  std::string& head = scratch_->text;
  head.clear();
  write_head(head);
  loop::Scope uploading;
  const bool has_body = !exchange_.body_ended() && exchange_.request().upgrade == Upgrade::none;
  if (has_body) {
    uploading.start(upload_.run(connection_->stream(), head, out_.to_target));
  } else {
    const IoResult written = co_await net::write_all(connection_->stream(), head, head_due());
    if (!written.ok() && connection_->reused && repeatable() && !client_gone_) co_return Attempt::again;
  }
  const Head got = co_await read_head();
  if (got != Head::complete || client_gone_) co_return co_await no_answer(got);
  gateway::the_metrics().target_head_seconds.observe(
      std::chrono::duration<double>(worker_.reactor.now() - sent).count());
  if (response_.upgrade == Upgrade::websocket) {
    co_await start_tunnel();
    co_return Attempt::done;
  }
  const bool complete = co_await answer();
  if (!complete) {
    if (out_.result == "success") cut();
    co_return Attempt::done;
  }
  // The answer is whole. A target that answered before it had the whole request keeps the rest unread:
  // neither connection can be used again.
  if (has_body && !upload_.complete()) {
    out_.reusable = false;
    co_return Attempt::done;
  }
  if (!multiplexed()) session_.target_stream = nullptr;
  if (response_.keep_alive) worker_.pool->give_back(std::move(connection_));
  co_return Attempt::done;
}

loop::Task<Forwarder::Attempt> Forwarder::no_answer(Head got) {
  if (client_gone_) cut();
  else if (got == Head::nothing && connection_->reused && repeatable()) co_return Attempt::again;
  else if (upload_.client_failed()) co_await fail(upload_.error_kind(), upload_.reason());
  else if (got == Head::timed_out || upload_.target_stalled())
    co_await fail(ErrorKind::target_timeout, "target_timeout");
  else if (got == Head::bad) co_await fail(ErrorKind::target_bad_answer, "target_bad_answer");
  else co_await fail(ErrorKind::target_refused, "target_reset");
  co_return Attempt::done;
}

// timeouts.response_head runs from the end of the request, or the last 1xx. While the body is still on its
// way the target is not late: a slow client is Upload's business, and so is a target that does not take what
// it is sent.
loop::Deadline Forwarder::head_due() const {
  const loop::Time from = upload_.under_way() ? worker_.reactor.now() : std::max(asked_, upload_.ended());
  const loop::Clock::duration limit = settings_->timeouts.response_head;
  return limit.count() == 0 ? loop::kNever : from + limit;
}

// Head::complete here says only that there is more.
loop::Task<Forwarder::Head> Forwarder::read_more_head() {
  net::Buffer& buffer = connection_->received;
  net::Stream& stream = connection_->stream();
  if (buffer.full()) co_return Head::bad;
  for (;;) {
    if (buffer.empty()) buffer.release();
    const bool ready = co_await net::wait_readable(stream, head_due());
    if (!ready && head_due() > worker_.reactor.now()) continue;  // the upload went on meanwhile
    if (!ready) co_return Head::timed_out;
    // The head leaves with what came of the body: there is to be room for what the gateway adds to it.
    const std::span<char> space = buffer.space();
    const std::size_t most = buffer.empty() ? kPiece - kHeadGrowth : space.size();
    const IoResult got = stream.try_read(space.first(most));
    if (got.ok()) {
      buffer.commit(got.bytes);
      co_return Head::complete;
    }
    if (got.status != IoStatus::blocked) co_return Head::broken;
    // A part of a TLS record; or TLS has to write first.
    if (got.wait_for == loop::Direction::write)
      co_await loop::WatchReady(stream.watch(), loop::Direction::write, head_due());
  }
}

loop::Task<Forwarder::Head> Forwarder::read_head() {
  const RequestHead& request = exchange_.request();
  const ResponseContext context{request.upgrade == Upgrade::websocket ? Method::get : request.method,
                                request.upgrade};
  HeadScanner scanner(Side::response, response_limits());
  net::Buffer& buffer = connection_->received;
  bool anything = false;
  for (int informational = 0;;) {
    const Scan scan = scanner.scan(buffer.bytes());
    if (scan.state == Scan::rejected) co_return Head::bad;
    if (scan.state == Scan::need_more) {
      const Head more = co_await read_more_head();
      if (more == Head::broken && !anything) co_return Head::nothing;
      if (more != Head::complete) co_return more;
      anything = true;
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
    const bool passed = co_await pass_informational();
    if (!passed) co_return Head::client_gone;
    buffer.consume(scan.head.size());
    scanner.reset();
  }
}

loop::Task<bool> Forwarder::pass_informational() {
  asked_ = worker_.reactor.now();
  const RequestHead& request = exchange_.request();
  const bool wanted = response_.status != 100 || request.expect_continue;
  if (!wanted || request.version == Version::http10) co_return true;
  const bool sent = co_await exchange_.send_informational(response_);
  if (!sent) client_gone_ = true;
  co_return sent;
}

ResponseForwarding Forwarder::response_forwarding() const {
  ResponseForwarding forwarding;
  forwarding.client_version = exchange_.request().version;
  forwarding.framing = client_framing(response_, forwarding.client_version);
  forwarding.own_host = exchange_.request().authority.host;
  forwarding.request_id = request_id_;
  forwarding.date = http_date();
  return forwarding;
}

loop::Task<void> Forwarder::start_tunnel() {
  const RequestHead& request = exchange_.request();
  const std::string_view key = request.version == Version::http2
                                   ? std::string_view(generated_key_.data(), generated_key_.size())
                                   : websocket_key(request);
  const Verdict verdict = check_websocket_response(response_, key);
  if (!verdict.ok()) co_return co_await fail(ErrorKind::target_bad_answer, "websocket_bad_accept");
  ResponseForwarding forwarding = response_forwarding();
  if (request.version == Version::http2) response_.status = 200;  // RFC 8441 section 5
  out_.status = response_.status;
  out_.tunnel = true;
  out_.reusable = false;
  exchange_.send_head(response_, forwarding);
  connection_->received.consume(head_size_);
  exchange_.on_abandoned(nullptr);
  const bool flushed = co_await exchange_.flush();
  if (flushed) out_.tunnel_target = std::move(connection_);
}

// The client cannot be given a whole answer any more.
void Forwarder::cut() {
  out_.result = client_gone_ ? "client_gone" : "target_broke_off";
  out_.reusable = false;
  exchange_.abort();
}

loop::Task<void> Forwarder::fail(ErrorKind kind, std::string_view result) {
  if (!exchange_.body_ended()) out_.reusable = false;
  if (exchange_.head_sent() || client_gone_) {
    cut();
    out_.result = result;
    co_return;
  }
  out_.result = result;
  out_.status = status_of(kind);
  const std::string env = target_.route->env.str();
  ErrorContext context;
  context.environment = env;
  context.port = target_.port.port;
  context.request_id = request_id_;
  if (const Field* accept = find_field(exchange_.request().fields, FieldId::accept))
    context.accept = accept->value;
  const bool sent = co_await exchange_.send_error(kind, context);
  if (!sent) out_.reusable = false;
}

loop::Task<void> forward(gateway::Worker& worker, gateway::Session& session, Exchange& exchange,
                         const Client& client, const ForwardTarget& target, std::string_view request_id,
                         Forwarded& out) {
  Forwarder forwarder(worker, session, exchange, client, target, request_id, out);
  co_await forwarder.run();
}

}  // namespace envgate::http
