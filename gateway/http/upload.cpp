#include "gateway/http/upload.hpp"

#include "gateway/http/chunked.hpp"
#include "gateway/net/stream.hpp"

namespace envgate::http {

loop::Deadline Upload::next_deadline(gateway::Worker& worker) const {
  const gateway::GatewaySettings& settings = *worker.settings;
  if (settings.timeouts.request_body.count() == 0) return loop::kNever;
  loop::Clock::duration allowed = settings.timeouts.request_body;
  const std::uint64_t rate = settings.http.min_body_rate.count;
  if (rate > 0) allowed += std::chrono::seconds(received_ / rate);
  const loop::Clock::duration left = std::max(allowed - waited_, loop::Clock::duration(std::chrono::milliseconds(1)));
  return worker.reactor.now() + left;
}

loop::Task<bool> Upload::send_piece(net::Stream& target, const std::string& head, std::string_view piece, Framing framing,
                                    loop::Deadline deadline) {
  if (framing == Framing::chunked || !head_written_) {
    // The head and the first bytes leave together; a chunk's size stands before its data in the same write.
    std::string front = head_written_ ? std::string() : head;
    head_written_ = true;
    if (framing == Framing::chunked && !piece.empty()) front += chunk_header(piece.size()).view();
    const net::IoResult written = co_await net::write_all(target, front, piece, deadline);
    if (!written.ok()) co_return false;
    if (framing != Framing::chunked || piece.empty()) co_return true;
    const net::IoResult last = co_await net::write_all(target, kChunkEnd, deadline);
    co_return last.ok();
  }
  const net::IoResult last = co_await net::write_all(target, piece, deadline);
  co_return last.ok();
}

void Upload::client_failed(const BodyPiece& piece, net::Stream& target) {
  client_failed_ = true;
  kind_ = piece.status == 0 ? ErrorKind::bad_request : kind_of(piece.status);
  if (!piece.reason.empty()) reason_ = piece.reason;
  target.abort(true);
}

loop::Task<void> Upload::run(gateway::Worker& worker, Exchange& exchange, net::Stream& target, const std::string& head,
                             std::uint64_t& sent) {
  struct UnderWay {
    bool& flag;
    ~UnderWay() { flag = false; }
  } under_way{under_way_};
  under_way_ = true;
  const Framing framing = target_framing(exchange.request());
  // A client that waits for 100 (RFC 9110 section 10.1.1) sends its body only after the target has seen the head.
  if (exchange.request().expect_continue) {
    const bool passed = co_await send_piece(target, head, {}, framing, loop::kNever);
    if (!passed) co_return;
  }
  for (;;) {
    const loop::Time asked = worker.reactor.now();
    const BodyPiece piece = co_await exchange.read_body(next_deadline(worker));
    waited_ += worker.reactor.now() - asked;
    if (piece.state == BodyPiece::failed) co_return client_failed(piece, target);
    if (piece.state == BodyPiece::end) break;
    received_ += piece.bytes.size();
    const bool passed = co_await send_piece(target, head, piece.bytes, framing, loop::kNever);
    if (!passed) co_return;
    sent += piece.bytes.size();
  }
  if (!head_written_) {
    const bool passed = co_await send_piece(target, head, {}, framing, loop::kNever);
    if (!passed) co_return;
  }
  if (framing == Framing::chunked) {
    std::string last;
    append_last_chunk(last, exchange.request_trailers());
    const net::IoResult written = co_await net::write_all(target, last, loop::kNever);
    if (!written.ok()) co_return;
  }
  complete_ = true;
}

}  // namespace envgate::http
