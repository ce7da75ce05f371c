#include "gateway/http/h2_exchange.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "gateway/http/h2_fields.hpp"
#include "gateway/http/h2_session.hpp"

namespace envgate::http {
namespace {

// Up to here a piece is copied, so that its sender need not wait for the turn's end; beyond, the wait costs
// less than the copy.
constexpr std::size_t kSmallPiece = 4 * 1024;
constexpr std::size_t kMostCopied = 64 * 1024;  // of one stream's answer

// Pseudo-fields come on top of the fields that the limit counts.
constexpr std::size_t kPseudoFields = 8;

}  // namespace

H2Exchange::H2Exchange(H2Session& session, std::int32_t stream)
    : session_(session),
      stream_(stream),
      block_(take_block()),
      window_(session.stream_window(), session.reactor().now()),
      readable_(session.reactor()),
      writable_(session.reactor()) {}

H2Exchange::~H2Exchange() { block_->list.swap(request_.fields); }

// ---- the head ----

void H2Exchange::add_field(std::string_view name, std::string_view value, const HeadLimits& limits) {
  if (request_trailers_) {
    if (!request_trailers_->add(name, value, limits.head, limits.fields))
      fail_body(431, "trailers_too_large");
    return;
  }
  if (name == "priority") has_priority_ = true;
  // The rest of the block is decoded all the same, since the connection's table depends on it, and forgotten.
  if (!block_->add(name, value, limits.head, limits.fields + kPseudoFields) && too_large_.ok())
    too_large_ = reject(431, "head_too_large");
}

Verdict H2Exchange::finish_head(const HeadLimits& limits) {
  request_.fields.swap(block_->list);
  const Verdict verdict = build_h2_request(block_->fields(), remote_ended_, limits, request_);
  return too_large_.ok() ? verdict : too_large_;
}

void H2Exchange::begin_trailers() { request_trailers_ = take_block(); }

void H2Exchange::finish_trailers() {
  if (!request_trailers_) return;
  for (const NameValue& field : request_trailers_->fields())
    if (is_good_h2_trailer(field))
      request_trailers_->list.push_back({field.name, field.value, field_id(field.name), false});
}

const FieldList& H2Exchange::request_trailers() const {
  static const FieldList kNone;
  return request_trailers_ ? request_trailers_->list : kNone;
}

// ---- the request's body ----

void H2Exchange::receive(std::string_view data) {
  if (discarding_) return give_up(data.size());
  body_.append(data);
  readable_.set();
}

void H2Exchange::end_remote() {
  remote_ended_ = true;
  readable_.set();
}

void H2Exchange::give_credit(std::size_t n) {
  nghttp2_session_consume(session_.handle(), stream_, n);
  session_.output();
}

// Bytes that nobody will take: other streams may use their room, this one is to send no more.
void H2Exchange::give_up(std::size_t n) {
  if (n == 0) return;
  nghttp2_session_consume_connection(session_.handle(), n);
  session_.output();
}

void H2Exchange::take_piece(std::size_t n) {
  if (window_.taken(n, body_.size(), session_.reactor().now())) session_.grow(stream_, window_);
  give_credit(n);
}

loop::Task<BodyPiece> H2Exchange::read_body(loop::Deadline deadline) {
  if (const std::size_t taken = std::exchange(given_, 0)) {
    body_.pop(taken);
    if (!discarding_) take_piece(taken);
  }
  struct Reading {
    bool& flag;
    ~Reading() { flag = false; }
  } reading{reading_};
  for (;;) {
    if (failure_.state == BodyPiece::failed) co_return failure_;
    if (!body_.empty()) {
      const std::string_view piece = body_.front();
      given_ = piece.size();
      co_return BodyPiece{BodyPiece::data, piece, 0, {}};
    }
    if (remote_ended_) co_return BodyPiece{};
    reading_ = true;
    const bool arrived = co_await readable_.wait(deadline);
    if (!arrived) co_return BodyPiece{BodyPiece::failed, {}, 408, "request_body_timeout"};
  }
}

void H2Exchange::fail_body(int status, std::string_view reason) {
  if (failure_.state != BodyPiece::failed) failure_ = {BodyPiece::failed, {}, status, reason};
  drop_body();
  readable_.set();
}

// The memory goes too, but for the block that the reader may be viewing.
void H2Exchange::drop_body() {
  if (std::exchange(discarding_, true)) return;
  give_up(body_.size());
  if (given_ > 0) body_.keep_front();
  else body_.clear();
}

// ---- the answer ----

loop::Task<bool> H2Exchange::send_informational(const ResponseHead& head) {
  if (!can_send() || !submit_informational(session_.handle(), stream_, head)) co_return false;
  session_.output();
  // No window holds these back: the next one waits until the connection has taken this.
  for (hint_waits_ = true; hint_waits_;) {
    if (!can_send()) co_return false;
    co_await writable_.wait();
  }
  co_return true;
}

void H2Exchange::send_head(const ResponseHead& head, const ResponseForwarding& forwarding) {
  CHECK(!head_sent_);
  head_sent_ = true;
  if (!can_send()) return;
  // An answer without a body ends with its head: a frame less.
  const bool empty = forwarding.framing == Framing::none || request_.method == Method::head ||
                     (forwarding.framing == Framing::length && head.content_length == 0);
  const bool tunnel = head.upgrade != Upgrade::none;
  if (empty && !tunnel) end_answer();
  if (!submit_head(session_.handle(), stream_, head, forwarding, answer_ended_ ? nullptr : this))
    return reset(NGHTTP2_INTERNAL_ERROR);
  session_.output();
}

loop::Task<bool> H2Exchange::flush() { co_return can_send() || end_sent_; }

void H2Exchange::resume() {
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_.handle(), stream_);
  session_.output();
}

bool H2Exchange::copy_small(std::string_view piece) {
  if (piece.size() > kSmallPiece || waiting() + piece.size() > kMostCopied) return false;
  block_->out.append(piece);
  resume();
  return true;
}

loop::Task<bool> H2Exchange::wait_until_taken(std::string_view piece) {
  struct Lent {
    std::string_view& view;
    ~Lent() { view = {}; }
  } lent{view_};
  view_ = piece;
  view_taken_ = false;
  resume();
  while (!view_taken_) {
    if (!can_send()) co_return false;
    co_await writable_.wait();
  }
  co_return true;
}

loop::Task<bool> H2Exchange::send_body(std::string_view piece) {
  if (!can_send()) co_return false;
  if (copy_small(piece)) co_return true;
  co_return co_await wait_until_taken(piece);
}

loop::Task<bool> H2Exchange::send_last(std::string_view piece) {
  if (!can_send()) co_return false;
  end_answer();
  if (copy_small(piece)) co_return true;
  co_return co_await wait_until_taken(piece);
}

loop::Task<bool> H2Exchange::send_end(const FieldList& trailers) {
  if (!can_send()) co_return end_sent_;
  if (answer_ended_) co_return true;
  if (!trailers.empty()) {
    trailers_to_send_ = take_block();
    for (const Field& field : trailers)
      trailers_to_send_->add(field.name, field.value, kMostCopied, kMostCopied);
  }
  end_answer();
  resume();
  co_return true;
}

loop::Task<bool> H2Exchange::send_error(ErrorKind kind, const ErrorContext& context) {
  CHECK(!head_sent_);
  head_sent_ = true;
  if (!can_send()) co_return false;
  const ErrorPage page(kind, context);
  const bool head_only = request_.method == Method::head;
  if (!head_only) block_->out.append(page.body());
  end_answer();
  if (!submit_head(session_.handle(), stream_, page.status(), page.fields(), head_only ? nullptr : this)) {
    reset(NGHTTP2_INTERNAL_ERROR);
    co_return false;
  }
  session_.output();
  co_return true;
}

H2Exchange::Frame H2Exchange::next_frame(std::size_t most) {
  const std::size_t available = waiting();
  if (available == 0 && !answer_ended_) return {};
  const std::size_t size = std::min(most, available);
  const bool last = answer_ended_ && size == available;
  return {last ? Frame::last : Frame::data, size, last && trailers_to_send_};
}

void H2Exchange::copy_frame(char* into, std::size_t size) {
  stalled_ = 0;
  std::string& out = block_->out;
  const std::size_t copied = std::min(size, out.size() - sent_);
  std::memcpy(into, out.data() + sent_, copied);
  sent_ += copied;
  if (sent_ == out.size()) {
    out.clear();
    sent_ = 0;
  }
  if (copied == size) return;
  std::memcpy(into + copied, view_.data(), size - copied);
  view_.remove_prefix(size - copied);
  if (!view_.empty()) return;
  view_taken_ = true;
  writable_.set();
}

// ---- the end ----

void H2Exchange::abort() {
  // RFC 8441 section 4: a tunnel whose other side was reset.
  reset(request_.upgrade == Upgrade::websocket ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
}

void H2Exchange::reset(std::uint32_t code) {
  if (!can_send()) return;
  reset_ = true;
  nghttp2_submit_rst_stream(session_.handle(), NGHTTP2_FLAG_NONE, stream_, code);
  session_.output();
  if (!body_ended()) fail_body(0, "aborted");
  writable_.set();
}

void H2Exchange::close(bool at_fault) {
  closed_ = true;
  const bool length = request_.framing == Framing::length;
  const bool reader_tells = at_fault && reading_;
  const std::string_view fault = length ? "length_differs_from_data" : "malformed_body";
  if (!body_ended()) fail_body(at_fault ? 400 : 0, at_fault ? fault : "client_gone");
  writable_.set();
  if (!answer_ended_ && !reader_tells && abandoned_) std::exchange(abandoned_, nullptr)->abandoned();
}

void H2Exchange::note_headers_sent() {
  if (std::exchange(hint_waits_, false)) writable_.set();
}

void H2Exchange::end_sent() {
  end_sent_ = true;
  if (!task_running_ && !remote_ended_) decline_rest();
}

// RFC 9113 section 8.1: the answer is whole, the rest of the request is not wanted. The reset follows the
// answer at a distance: a client that reads both at once may take the stream for failed (curl 7.88 does, and
// shows no answer).
void H2Exchange::decline_rest() {
  loop::Reactor& reactor = session_.reactor();
  reactor.timers().arm(*this, reactor.now() + std::chrono::milliseconds(250));
}

void H2Exchange::end_task() {
  task_running_ = false;
  abandoned_ = nullptr;
  drop_body();
  if (!answer_ended_) reset(NGHTTP2_INTERNAL_ERROR);
  else if (end_sent_ && !remote_ended_) decline_rest();
}

net::Stream* H2Exchange::tunnel(net::Buffer&) {
  // A tunnel may be idle for days: of the head only what the log will say of it is kept.
  H2BlockPtr kept(new H2Block);
  const std::string_view authority = request_.authority.text, path = request_.path;
  kept->add(authority, path, authority.size() + path.size(), 1);
  const NameValue views = kept->fields()[0];
  request_.fields = FieldList();
  request_.method_name = "CONNECT";
  request_.authority = {views.name, views.name, request_.authority.port};
  request_.path = views.value;
  request_.query = {};
  kept->out = std::move(block_->out);
  block_ = std::move(kept);
  return nullptr;
}

}  // namespace envgate::http
