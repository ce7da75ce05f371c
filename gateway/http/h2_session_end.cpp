// How streams and connections end: by themselves, by time, by a drain. The rest of H2Session is in
// h2_session.cpp.
#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "gateway/http/h2_session.hpp"

namespace envgate::http {
namespace {

// Between the notice that the connection will end and the number of its last request (RFC 9113 section 6.8):
// time for requests that are already on their way.
constexpr std::chrono::milliseconds kNotice{500};

// A drain cuts connections that are not busy. One that had a stream a moment ago may have the next request on
// its way: it is told by GOAWAY instead.
constexpr std::chrono::seconds kQuiet{1};

}  // namespace

void H2Session::stream_closed(H2Exchange& exchange, bool at_fault) {
  if (collecting_ == &exchange) collecting_ = nullptr;
  exchange.close(at_fault);
  const bool starting = std::find(starting_.begin(), starting_.end(), &exchange) != starting_.end();
  if (!starting && !exchange.task_running()) forget(exchange);
}

void H2Session::forget(H2Exchange& exchange) {
  nghttp2_session_set_stream_user_data(handle_, exchange.stream(), nullptr);
  H2Exchange* const last = exchanges_.back();
  exchanges_[exchange.index] = last;
  last->index = exchange.index;
  exchanges_.pop_back();
  delete &exchange;
  if (!exchanges_.empty()) return;
  idle_since_ = reactor_.now();
  drain();
}

// Every stream is over, whatever becomes of its task.
void H2Session::leave() {
  starting_.clear();
  collecting_ = nullptr;
  for (std::size_t i = exchanges_.size(); i-- > 0;) {
    H2Exchange& exchange = *exchanges_[i];
    if (!exchange.closed()) exchange.close(false);
    if (!exchange.task_running()) forget(exchange);
  }
}

void H2Session::begin_close() {
  state_ = State::closing;
  leave();
  stream_.shutdown_write();
  reactor_.timers().arm(*this, reactor_.now() + kLingerTime);
}

// The reader finds out, and ends.
void H2Session::broken() {
  state_ = State::ended;
  stream_.abort(false);
}

void H2Session::drain() {
  if (state_ != State::open || terminated_) return;
  if (!draining_ && service_.draining()) {
    draining_ = true;
    drain_since_ = reactor_.now();
    nghttp2_submit_shutdown_notice(handle_);
    arm_timer();
    output();
  } else if (draining_ && !last_goaway_ && reactor_.now() >= drain_since_ + kNotice) {
    last_goaway_ = true;
    const std::int32_t last = nghttp2_session_get_last_proc_stream_id(handle_);
    nghttp2_submit_goaway(handle_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
    output();
  }
}

loop::Time H2Session::idle_until() const {
  const loop::Clock::duration limit = greeted_ ? options_.idle : options_.request_head;
  return limit.count() == 0 ? loop::kNever : idle_since_ + limit;
}

void H2Session::arm_timer() {
  loop::Time due = reactor_.now() + period_;
  if (draining_ && !last_goaway_) due = std::min(due, drain_since_ + kNotice);
  else if (!busy_) due = idle_until();  // nothing else can happen: an idle connection wakes nobody
  if (due == loop::kNever) return disarm();
  reactor_.timers().arm(*this, due);
}

void H2Session::expired() {
  if (state_ != State::open || terminated_) return broken();
  // While requests are only being finished there is nothing to say: GOAWAY is for the one that would come
  // next, and some clients take no answer after it.
  if (draining_ || exchanges_.empty()) drain();
  check_idle();
  check_stalled();
  if (state_ == State::open && !terminated_) arm_timer();
}

void H2Session::check_idle() {
  const loop::Time now = reactor_.now();
  if (collecting_ && options_.request_head.count() > 0 && now - collecting_since_ >= options_.request_head)
    return terminate(NGHTTP2_ENHANCE_YOUR_CALM, "request_head_timeout");
  if (!exchanges_.empty() || draining_) return;
  if (now >= idle_until())
    return terminate(NGHTTP2_NO_ERROR, greeted_ ? std::string_view() : "request_head_timeout");
  if (busy_ && now - idle_since_ >= kQuiet && !write_blocked_) service_.busy(busy_ = false);
}

// A client that takes nothing of what waits for it: from the connection, or by its windows from one stream.
void H2Session::check_stalled() {
  if (options_.idle.count() == 0) return;
  const auto limit = static_cast<unsigned>((options_.idle + period_ - loop::Clock::duration(1)) / period_);
  if (write_blocked_ && ++stalled_ > limit) {
    service_.misbehaved("slow_reader");
    return broken();
  }
  for (H2Exchange* const exchange : exchanges_) {
    if (exchange->closed() || exchange->reset_by_us() || !exchange->stalled(limit)) continue;
    service_.misbehaved("slow_reader");
    exchange->reset(NGHTTP2_CANCEL);
  }
}

}  // namespace envgate::http
