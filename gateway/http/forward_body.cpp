// The answer's body on its way to the client, in each of its framings; what comes before is in forward.cpp.
#include <algorithm>
#include <cstring>

#include "gateway/http/chunked.hpp"
#include "gateway/http/forwarder.hpp"
#include "gateway/loop/event.hpp"
#include "gateway/net/buffer.hpp"

namespace envgate::http {

using net::IoResult;
using net::IoStatus;

namespace {

const FieldList kNoTrailers;

}  // namespace

// Of a chunked body, what came with the head: a target that is broken there can still be answered for by a
// 502.
bool Forwarder::begins_well() const {
  if (response_.framing != Framing::chunked) return true;
  ChunkedDecoder decoder;
  std::string_view input = connection_->received.bytes().substr(head_size_);
  for (;;) {
    const ChunkedDecoder::Step step = decoder.next(input);
    if (step.state != ChunkedDecoder::Step::have_data) return step.state != ChunkedDecoder::Step::error;
    input.remove_prefix(step.consumed);
  }
}

loop::Task<bool> Forwarder::answer() {
  if (!begins_well()) {
    co_await fail(ErrorKind::target_bad_answer, "target_bad_answer");
    co_return false;
  }
  out_.status = response_.status;
  ResponseForwarding forwarding = response_forwarding();
  if (!exchange_.body_ended()) forwarding.close = true;  // it may never be read to its end
  exchange_.send_head(response_, forwarding);
  if (forwarding.framing == Framing::until_end && forwarding.client_version != Version::http2)
    out_.reusable = false;
  if (forwarding.close) out_.reusable = false;
  connection_->received.consume(head_size_);
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
  const IoResult got = co_await net::read_some(stream, buffer.space().first(kPiece), loop::kNever);
  if (!got.ok()) {
    target_ended_ = got.status == IoStatus::end;
    co_return false;
  }
  buffer.commit(got.bytes);
  if (share_.used_up(got.bytes)) co_await loop::yield(worker_.reactor);
  co_return true;
}

loop::Task<bool> Forwarder::send(std::string_view piece, bool last) {
  out_.to_client += piece.size();
  loop::Task<bool> sending = last ? exchange_.send_last(piece) : exchange_.send_body(piece);
  const bool sent = co_await std::move(sending);
  if (!sent) client_gone_ = true;
  if (!throttle_ || !sent || last) co_return sent;
  const bool flushed = co_await exchange_.flush();
  co_await throttle_.pause(worker_.reactor, false, piece.size());
  co_return flushed;
}

loop::Task<bool> Forwarder::body_of_length() {
  net::Buffer& buffer = connection_->received;
  std::uint64_t left = response_.content_length;
  if (left == 0) co_return co_await exchange_.send_end(kNoTrailers);
  for (;;) {
    if (buffer.empty()) {
      const bool any = co_await more();
      if (!any) co_return false;
    }
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    const std::string_view piece = buffer.bytes().substr(0, most);
    left -= piece.size();
    const bool sent = co_await send(piece, left == 0);
    if (!sent) co_return false;
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
    // What one read brought leaves as one piece: the data of its chunks are moved together, over their
    // framing.
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
      co_await fail(ErrorKind::target_bad_answer, "target_bad_answer");
      co_return false;
    }
    if (gathered > 0) {
      const bool sent = co_await send({room.data(), gathered});
      if (!sent) co_return false;
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
    const bool sent = co_await send(buffer.bytes());
    if (!sent) co_return false;
    buffer.consume(buffer.size());
  }
  if (!target_ended_) co_return false;  // a reset is not an end
  co_return co_await exchange_.send_end(kNoTrailers);
}

}  // namespace envgate::http
