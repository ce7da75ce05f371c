#include "gateway/http/upload.hpp"

#include "gateway/http/chunked.hpp"
#include "gateway/loop/event.hpp"
#include "gateway/loop/fair_share.hpp"
#include "gateway/net/stream.hpp"

namespace envgate::http {

loop::Deadline Upload::next_deadline() const {
  const gateway::GatewaySettings& settings = *worker_.settings;
  if (settings.timeouts.request_body.count() == 0) return loop::kNever;
  loop::Clock::duration allowed = settings.timeouts.request_body;
  const std::uint64_t rate = settings.http.min_body_rate.count;
  if (rate > 0) allowed += std::chrono::seconds(received_ / rate);
  const loop::Clock::duration left =
      std::max(allowed - waited_, loop::Clock::duration(std::chrono::milliseconds(1)));
  return worker_.reactor.now() + left;
}

loop::Task<bool> Upload::write(net::Stream& target, std::string_view front, std::string_view piece) {
  const loop::Deadline deadline = worker_.reactor.after(worker_.settings->timeouts.response_head);
  const net::IoResult written = co_await net::write_all(target, front, piece, deadline);
  if (written.ok()) co_return true;
  if (written.error == ETIMEDOUT) {
    target_stalled_ = true;
    target.abort(true);
  }
  co_return false;
}

// The head and the first bytes leave together; a chunk's size stands before its data in the same write.
loop::Task<bool> Upload::send_piece(net::Stream& target, const std::string& head, std::string_view piece) {
  std::string front = head_written_ ? std::string() : head;
  head_written_ = true;
  const bool chunk = framing_ == Framing::chunked && !piece.empty();
  if (chunk) front += chunk_header(piece.size()).view();
  const bool written = co_await write(target, front, piece);
  if (!written || !chunk) co_return written;
  co_return co_await write(target, kChunkEnd, {});
}

void Upload::client_failed(const BodyPiece& piece, net::Stream& target) {
  client_failed_ = true;
  kind_ = piece.status == 0 ? ErrorKind::bad_request : kind_of(piece.status);
  if (!piece.reason.empty()) reason_ = piece.reason;
  target.abort(true);
}

loop::Task<bool> Upload::send_body(net::Stream& target, const std::string& head, std::uint64_t& sent) {
  // A client that waits for 100 (RFC 9110 section 10.1.1) sends its body only after the target has seen the
  // head.
  if (exchange_.request().expect_continue) {
    const bool passed = co_await send_piece(target, head, {});
    if (!passed) co_return false;
  }
  loop::FairShare share(loop::kCopiedShare);
  for (;;) {
    const loop::Time asked = worker_.reactor.now();
    const BodyPiece piece = co_await exchange_.read_body(next_deadline());
    waited_ += worker_.reactor.now() - asked;
    if (piece.state == BodyPiece::failed) {
      client_failed(piece, target);
      co_return false;
    }
    if (piece.state == BodyPiece::end) break;
    received_ += piece.bytes.size();
    const bool passed = co_await send_piece(target, head, piece.bytes);
    if (!passed) co_return false;
    sent += piece.bytes.size();
    if (share.used_up(piece.bytes.size())) co_await loop::yield(worker_.reactor);
    if (throttle_) co_await throttle_.pause(worker_.reactor, true, piece.bytes.size());
  }
  if (!head_written_) {
    const bool passed = co_await send_piece(target, head, {});
    if (!passed) co_return false;
  }
  if (framing_ != Framing::chunked) co_return true;
  std::string last;
  append_last_chunk(last, exchange_.request_trailers());
  co_return co_await write(target, last, {});
}

loop::Task<void> Upload::run(net::Stream& target, const std::string& head, std::uint64_t& sent) {
  under_way_ = true;
  framing_ = target_framing(exchange_.request());
  complete_ = co_await send_body(target, head, sent);
  ended_ = worker_.reactor.now();
  under_way_ = false;
}

}  // namespace envgate::http
