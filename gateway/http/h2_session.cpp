#include "gateway/http/h2_session.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/http/h2_callbacks.hpp"
#include "gateway/loop/event.hpp"
#include "gateway/loop/fair_share.hpp"

namespace envgate::http {
namespace {

using net::IoResult;
using net::IoStatus;

// A client that sends without end gets its turn like everybody else.
constexpr std::size_t kTurnBytes = 64 * 1024;

// What a client may still send after GOAWAY before the connection is closed under it; how long stands in the
// header.
constexpr std::size_t kLingerBytes = 256 * 1024;

// Requests whose streams are gone may still be at work, waiting for a target. So many tasks for each stream
// that is allowed; with more the client's resets outrun us, and its new streams are refused.
constexpr unsigned kTasksPerStream = 2;

// Times are checked so often within the shortest of them, and at least so often while there are streams.
constexpr int kChecks = 4;
constexpr std::chrono::seconds kMostPeriod{1};

constexpr nghttp2_extpri kByTurns{3, 1};      // RFC 9218 section 4: the default urgency, but incremental
constexpr nghttp2_extpri kInteractive{1, 1};  // for tunnels: small messages, before anybody's bulk

loop::Clock::duration check_period(const H2Options& options) {
  loop::Clock::duration period = kMostPeriod;
  for (const loop::Clock::duration limit : {options.idle, options.request_head})
    if (limit.count() > 0) period = std::min(period, limit / kChecks);
  return std::max<loop::Clock::duration>(period, std::chrono::milliseconds(10));
}

}  // namespace

// Waits until the stream has something to read.
struct H2Session::Readable {
  H2Session& session;
  loop::Direction direction;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    session.reader_ = handle;
    session.read_waits_for_ = direction;
  }
  void await_resume() const noexcept {}
  ~Readable() { session.reader_ = nullptr; }
};

H2Session::H2Session(loop::Reactor& reactor, net::Stream& stream, H2Service& service,
                     const H2Options& options)
    : reactor_(reactor),
      stream_(stream),
      service_(service),
      options_(options),
      handle_(make_h2_session(*this, options)),
      idle_since_(reactor.now()),
      period_(check_period(options)),
      resets_(options.resets, reactor.now()),
      control_(options.control, reactor.now()),
      connection_window_(options.connection_window) {}

H2Session::~H2Session() {
  streams_.cancel();
  if (armed_)
    for (const auto direction : {loop::Direction::read, loop::Direction::write})
      stream_.watch().disarm(direction);
  nghttp2_session_del(handle_);
  for (H2Exchange* const exchange : exchanges_) delete exchange;
}

loop::Task<void> H2Session::run() {
  // Both directions stay armed for good: whichever moves, `ready` looks who waited for it. TLS may have to
  // write in order to read.
  for (const auto direction : {loop::Direction::read, loop::Direction::write})
    stream_.watch().arm(direction, *this);
  armed_ = true;
  service_.busy(true);
  arm_timer();
  output();
  co_await read();
  state_ = State::ended;
  disarm();
  for (const auto direction : {loop::Direction::read, loop::Direction::write})
    stream_.watch().disarm(direction);
  armed_ = false;
  leave();
  co_await streams_.ended();
}

void H2Session::ready() {
  loop::Watch& watch = stream_.watch();
  if (write_blocked_ && watch.ready(write_waits_for_)) {
    write_blocked_ = false;
    flush();
  }
  // The last thing: the reader may be the end of this object.
  if (reader_ && watch.ready(read_waits_for_)) std::exchange(reader_, nullptr).resume();
}

// ---- reading ----

loop::Task<void> H2Session::read() {
  net::Buffer input;
  loop::FairShare share(kTurnBytes);
  std::size_t forgotten = 0;
  for (;;) {
    const IoResult got = stream_.try_read(input.space());
    if (got.status == IoStatus::blocked) {
      input.release();
      co_await Readable{*this, got.wait_for};
      continue;
    }
    if (!got.ok()) co_return;
    if (state_ == State::closing || terminated_) {
      if ((forgotten += got.bytes) > kLingerBytes) co_return;
    } else if (!feed({input.space().data(), got.bytes})) {
      co_return;
    }
    if (share.used_up(got.bytes)) {
      input.release();
      co_await loop::yield(reactor_);
    }
  }
}

bool H2Session::feed(std::string_view bytes) {
  const auto used =
      nghttp2_session_mem_recv(handle_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    service_.misbehaved("h2_bad_preface");
    return false;
  }
  const bool flood = used == NGHTTP2_ERR_FLOODED || used == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
  if (used < 0) terminate(NGHTTP2_ENHANCE_YOUR_CALM, flood ? "h2_flood" : "h2_protocol_error");
  start_requests();
  output();
  return true;
}

void H2Session::begin_head(std::int32_t stream) {
  collecting_ = nullptr;
  if (running_ + starting_.size() >= std::size_t{kTasksPerStream} * options_.max_streams) {
    nghttp2_submit_rst_stream(handle_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
    return;
  }
  auto* const exchange = new H2Exchange(*this, stream);
  exchange->index = exchanges_.size();
  exchanges_.push_back(exchange);
  nghttp2_session_set_stream_user_data(handle_, stream, exchange);
  collecting_ = exchange;
  collecting_since_ = reactor_.now();
  if (!busy_) {
    service_.busy(busy_ = true);
    arm_timer();
  }
}

void H2Session::begin_trailers(H2Exchange* exchange) {
  collecting_ = exchange;
  if (!exchange) return;
  exchange->begin_trailers();
  collecting_since_ = reactor_.now();
}

void H2Session::add_field(std::int32_t stream, std::string_view name, std::string_view value) {
  if (collecting_ && collecting_->stream() == stream) collecting_->add_field(name, value, options_.head);
}

void H2Session::head_ended(bool is_request, bool end_stream) {
  H2Exchange* const exchange = std::exchange(collecting_, nullptr);
  if (!exchange) return;
  if (is_request) starting_.push_back(exchange);
  else exchange->finish_trailers();
  if (end_stream) exchange->end_remote();
}

void H2Session::start_requests() {
  for (H2Exchange* const exchange : starting_) {
    if (exchange->closed()) forget(*exchange);
    else start(*exchange);
  }
  if (!starting_.empty()) drain();
  starting_.clear();
}

void H2Session::start(H2Exchange& exchange) {
  const Verdict verdict = exchange.finish_head(options_.head);
  const bool tunnel = exchange.request().upgrade != Upgrade::none;
  if (tunnel || !exchange.has_priority())
    nghttp2_session_change_extpri_stream_priority(handle_, exchange.stream(),
                                                  tunnel ? &kInteractive : &kByTurns, 1);
  exchange.begin_task();
  ++running_;
  streams_.start(serve(exchange, verdict));
}

loop::Task<void> H2Session::serve(H2Exchange& exchange, Verdict verdict) {
  if (verdict.ok()) co_await service_.answer(exchange);
  else co_await refuse(exchange, verdict);
  --running_;
  exchange.end_task();
  if (exchange.closed()) forget(exchange);
}

loop::Task<void> H2Session::refuse(H2Exchange& exchange, const Verdict& verdict) {
  const std::string request_id = service_.refused(verdict);
  ErrorContext context;
  context.request_id = request_id;
  co_await exchange.send_error(kind_of(verdict.status), context);
}

void H2Session::grow(std::int32_t stream, H2Window& window) {
  const std::uint32_t wanted = std::min(window.size() * 2, options_.most_window);
  if (wanted <= window.size()) return;
  const std::uint32_t connection = options_.connection_window + (wanted - options_.stream_window);
  if (connection > connection_window_) {
    if (!window_share_.take(connection - connection_window_)) return;
    connection_window_ = connection;
    nghttp2_session_set_local_window_size(handle_, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<std::int32_t>(connection));
  }
  window.grow_to(wanted);
  nghttp2_session_set_local_window_size(handle_, NGHTTP2_FLAG_NONE, stream,
                                        static_cast<std::int32_t>(wanted));
}

// ---- misbehaviour ----

void H2Session::stream_reset_by_client(H2Exchange* exchange) {
  if (exchange) exchange->note_client_reset();
  if (!resets_.spend(reactor_.now())) terminate(NGHTTP2_ENHANCE_YOUR_CALM, "h2_resets");
}

void H2Session::stream_reset_sent(const H2Exchange* exchange, std::uint32_t code) {
  if (code == NGHTTP2_NO_ERROR || (exchange && exchange->reset_by_us())) return;
  service_.misbehaved("h2_stream_error");
  if (!resets_.spend(reactor_.now())) terminate(NGHTTP2_ENHANCE_YOUR_CALM, "h2_resets");
}

void H2Session::control_frame() {
  if (!control_.spend(reactor_.now())) terminate(NGHTTP2_ENHANCE_YOUR_CALM, "h2_flood");
}

void H2Session::terminate(std::uint32_t code, std::string_view reason) {
  if (std::exchange(terminated_, true)) return;
  if (!reason.empty()) service_.misbehaved(reason);
  nghttp2_session_terminate_session(handle_, code);
  reactor_.timers().arm(*this, reactor_.now() + kLingerTime);
  output();
}

// ---- writing ----

void H2Session::flush() {
  if (state_ != State::open || write_blocked_) return;
  for (;;) {
    if (out_.empty()) fill();
    if (out_.empty() || state_ != State::open) break;
    stream_.hold(out_.size() == kRecord);  // the last of several takes the others with it
    const std::span<char> bytes = out_.data();
    const iovec piece{bytes.data(), bytes.size()};
    const IoResult result = stream_.try_write({&piece, 1});
    if (result.status == IoStatus::blocked) {
      write_blocked_ = true;
      write_waits_for_ = result.wait_for;
      return;
    }
    if (!result.ok()) return broken();
    out_.consume(result.bytes);
    stalled_ = 0;
  }
  out_.release();
  stream_.hold(false);
  const IoResult flushed = stream_.try_flush();
  if (flushed.status == IoStatus::error) return broken();
  if (flushed.status == IoStatus::blocked) {
    write_blocked_ = true;
    write_waits_for_ = flushed.wait_for;
    return;
  }
  if (state_ == State::open && !nghttp2_session_want_read(handle_) && !nghttp2_session_want_write(handle_))
    begin_close();
}

// Requires: out_ is empty.
void H2Session::fill() {
  while (out_.size() < kRecord) {
    if (rest_.empty() && !next_frames()) return;
    const std::size_t n = std::min(rest_.size(), kRecord - out_.size());
    std::memcpy(out_.space().data(), rest_.data(), n);
    out_.commit(n);
    rest_.remove_prefix(n);
    // The record is full, and another session may be asked next: see h2_allocator.hpp.
    if (!rest_.empty()) rest_ = kept_rest_.assign(rest_);
  }
}

// Asks nghttp2 for frames; DATA goes straight into out_, by put_data. False: there are none, or the record is
// full.
bool H2Session::next_frames() {
  const std::uint8_t* bytes = nullptr;
  const auto size = nghttp2_session_mem_send(handle_, &bytes);
  if (size < 0) broken();
  if (size <= 0) return false;
  rest_ = {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
  return true;
}

std::size_t H2Session::room_for_data() const {
  const std::size_t room = kRecord - out_.size();
  return room > kFrameHeader ? room - kFrameHeader : 0;
}

void H2Session::put_data(const std::uint8_t* frame_header, H2Exchange& exchange, std::size_t size) {
  char* const into = out_.space().data();
  std::memcpy(into, frame_header, kFrameHeader);
  exchange.copy_frame(into + kFrameHeader, size);
  out_.commit(kFrameHeader + size);
}

}  // namespace envgate::http
