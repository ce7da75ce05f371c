#include "gateway/http/h1_exchange.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace envgate::http {

using loop::Direction;
using net::IoResult;
using net::IoStatus;

namespace {

// As much as one read brings of a body that goes on: the next is likely to follow at once.
constexpr std::size_t kLargePiece = 12 * 1024;

}  // namespace

H1Exchange::H1Exchange(gateway::Worker& worker, net::Stream& stream, net::Buffer& input,
                       std::size_t head_size)
    : worker_(worker), stream_(stream), input_(input), used_(head_size), scratch_(take_scratch()) {
  request_.fields.swap(scratch_->fields);
}

H1Exchange::~H1Exchange() {
  on_abandoned(nullptr);
  give_scratch_back();
}

void H1Exchange::give_scratch_back() {
  if (!scratch_) return;
  request_.fields.clear();
  request_.fields.swap(scratch_->fields);
  scratch_.reset();
}

// ---- the request's body ----

bool H1Exchange::body_ended() const {
  switch (request_.framing) {
    case Framing::length: return body_begun_ ? left_ == 0 : request_.content_length == 0;
    case Framing::chunked: return decoder_.done();
    default: return true;
  }
}

void H1Exchange::begin_body() {
  if (std::exchange(body_begun_, true)) return;
  left_ = request_.content_length;
}

std::string_view H1Exchange::available() {
  const std::string_view first = input_.bytes().substr(used_);
  return first.empty() ? more_.bytes() : first;
}

void H1Exchange::take(std::size_t n) {
  if (used_ < input_.size()) used_ += n;
  else more_.consume(n);
}

std::span<char> H1Exchange::room_for_more() {
  const std::span<char> room = more_.space();
  return room.first(std::min(room.size(), net::Buffer::kSize));
}

loop::Task<bool> H1Exchange::read_more(loop::Deadline deadline, BodyPiece& failure) {
  // What the last piece viewed is no longer needed: its buffer is free while there is nothing to read.
  if (more_.empty()) more_.release();
  const bool ready = co_await net::wait_readable(stream_, deadline);
  if (!ready) {
    failure = {BodyPiece::failed, {}, 408, "request_body_timeout"};
    co_return false;
  }
  const IoResult got = co_await net::read_some(stream_, room_for_more(), deadline);
  if (got.ok()) {
    more_.commit(got.bytes);
    gather();
    co_return true;
  }
  const bool slow = got.status == IoStatus::error && got.error == ETIMEDOUT;
  failure = {BodyPiece::failed, {}, slow ? 408 : 0, slow ? "request_body_timeout" : "client_gone"};
  co_return false;
}

// Of a large body, the records that have come already: they leave in one write. Never beyond the body.
void H1Exchange::gather() {
  if (request_.framing != Framing::length) return;
  while (stream_.has_pending() && more_.room() >= net::Buffer::kSize &&
         left_ >= more_.size() + net::Buffer::kSize) {
    const IoResult got = stream_.try_read(room_for_more());
    if (!got.ok()) return;  // told again by the next read
    more_.commit(got.bytes);
  }
}

BodyPiece H1Exchange::next_of_length(std::string_view input) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  left_ -= size;
  take(size);
  return {BodyPiece::data, input.substr(0, size), 0, {}};
}

BodyPiece H1Exchange::next_of_chunked(std::string_view input, bool& need_more) {
  const ChunkedDecoder::Step step = decoder_.next(input);
  take(step.consumed);
  switch (step.state) {
    case ChunkedDecoder::Step::have_data: return {BodyPiece::data, step.data, 0, {}};
    case ChunkedDecoder::Step::done: return {BodyPiece::end, {}, 0, {}};
    case ChunkedDecoder::Step::error: return {BodyPiece::failed, {}, 400, decoder_.reason()};
    case ChunkedDecoder::Step::need_more: break;
  }
  need_more = true;
  return {};
}

loop::Task<BodyPiece> H1Exchange::read_body(loop::Deadline deadline) {
  begin_body();
  for (;;) {
    if (body_ended()) {
      on_abandoned(abandoned_);  // from here on nobody else reads the client
      co_return BodyPiece{};
    }
    const std::string_view input = available();
    BodyPiece piece;
    if (!input.empty()) {
      bool need_more = false;
      piece =
          request_.framing == Framing::chunked ? next_of_chunked(input, need_more) : next_of_length(input);
      if (piece.state == BodyPiece::failed) body_failed_ = true;
      if (!need_more) co_return piece;
      if (!available().empty()) continue;
    }
    const bool got = co_await read_more(deadline, piece);
    if (!got) {
      body_failed_ = true;
      co_return piece;
    }
  }
}

// ---- the answer ----

loop::Deadline H1Exchange::write_deadline() const {
  // A client that reads nothing of its answer for so long is gone in all but name.
  return worker_.reactor.after(worker_.settings->timeouts.idle);
}

loop::Task<bool> H1Exchange::write(std::string_view piece) {
  const IoResult result = co_await net::write_all(stream_, pending(), piece, write_deadline());
  pending().clear();
  if (result.ok()) co_return true;
  aborted_ = true;
  co_return false;
}

loop::Task<bool> H1Exchange::send_informational(const ResponseHead& head) {
  append_response_head(pending(), head, ResponseForwarding{});
  return flush();
}

void H1Exchange::send_head(const ResponseHead& head, const ResponseForwarding& forwarding) {
  CHECK(!head_sent_);
  ResponseForwarding mine = forwarding;
  framing_ = forwarding.framing;
  // A body that ends where the connection does; a client that asked for it; a gateway that is leaving.
  close_ = forwarding.close || framing_ == Framing::until_end || !request_.keep_alive || worker_.draining;
  if (head.upgrade != Upgrade::none) close_ = false;
  mine.close = close_;
  append_response_head(pending(), head, mine);
  head_sent_ = true;
  if (request_.method == Method::head) framing_ = Framing::none;
}

// Held back pieces leave with the last, or here.
loop::Task<bool> H1Exchange::flush() {
  stream_.hold(false);
  if (!pending().empty()) co_return co_await write({});
  const IoResult result = co_await net::flush_all(stream_, write_deadline());
  if (!result.ok()) aborted_ = true;
  co_return result.ok();
}

loop::Task<bool> H1Exchange::send_body(std::string_view piece) {
  const bool chunked = framing_ == Framing::chunked;
  if (chunked) pending() += chunk_header(piece.size()).view();
  stream_.hold(piece.size() >= kLargePiece);
  const bool sent = co_await write(piece);
  if (chunked) pending() = kChunkEnd;  // leaves with the next chunk, or the end
  co_return sent;
}

loop::Task<bool> H1Exchange::send_last(std::string_view piece) {
  CHECK(framing_ != Framing::chunked);
  answer_complete_ = true;
  stream_.hold(false);
  co_return co_await write(piece);
}

loop::Task<bool> H1Exchange::send_end(const FieldList& trailers) {
  if (framing_ == Framing::chunked) append_last_chunk(pending(), trailers);
  answer_complete_ = true;
  return flush();
}

loop::Task<bool> H1Exchange::send_error(ErrorKind kind, const ErrorContext& context) {
  CHECK(!head_sent_);
  head_sent_ = true;
  // A body that nobody will read stands between this answer and the next request: the connection ends
  // instead.
  close_ = !request_.keep_alive || !body_ended() || body_failed_ || worker_.draining;
  append_error_response(pending(), kind, context, close_, request_.method == Method::head);
  answer_complete_ = true;
  return flush();
}

void H1Exchange::abort() {
  aborted_ = true;
  stream_.abort(true);
}

bool H1Exchange::finish() {
  on_abandoned(nullptr);
  if (!answer_complete_ || close_ || aborted_ || tunnelled_ || body_failed_ || !body_ended()) return false;
  input_.consume(used_);
  if (more_.empty()) return true;
  // The next request has come with the body's last read, which was no longer than `input_` is.
  if (!input_.empty() || more_.size() > net::Buffer::kSize) return false;
  input_.append(more_.bytes());
  return true;
}

// ---- the client's leaving ----

// While the answer is on its way nobody reads the client; a FIN is then the only sign that it has gone. Bytes
// are its next request and stay where they are.
void H1Exchange::on_abandoned(Abandoned* hook) {
  loop::Watch& watch = stream_.watch();
  abandoned_ = hook;
  if (hook && !watch.is_open()) return;
  if (!hook) {
    if (watching_) watch.disarm(Direction::read);
    watching_ = false;
  } else if (!watching_ && body_ended() && !watch.armed(Direction::read)) {
    watch.arm(Direction::read, *this);
    watching_ = true;
  }
}

void H1Exchange::ready() {
  loop::Watch& watch = stream_.watch();
  if (!watch.peer_closed()) return;
  watch.disarm(Direction::read);
  watching_ = false;
  aborted_ = true;
  if (abandoned_) std::exchange(abandoned_, nullptr)->abandoned();
}

net::Stream* H1Exchange::tunnel(net::Buffer& early) {
  on_abandoned(nullptr);
  tunnelled_ = true;
  // The head's buffer goes: what the log will say of it is kept.
  kept_.assign(request_.authority.text).append(request_.path);
  request_.method_name = "GET";
  request_.authority.text = std::string_view(kept_).substr(0, request_.authority.text.size());
  request_.path = std::string_view(kept_).substr(request_.authority.text.size());
  input_.consume(used_);
  used_ = 0;
  early = std::move(input_);
  give_scratch_back();
  return &stream_;
}

}  // namespace envgate::http
