// The Exchange of one HTTP/2 stream. It stands between two that live for different times: the stream, which
// nghttp2 closes when both directions have ended or somebody resets it, and the task that answers the
// request. H2Session keeps it until both are over; what a task sends to a stream that is gone returns false.
//
// Receiving: DATA waits in a chain until read_body has it, and the window is opened only as pieces are taken,
// so that a slow target slows the client. Sending: a small piece is copied and waits for nobody; a large one
// is viewed where it is until the connection has taken it, so that a slow client slows the target, and costs
// no memory of its own. Thread: the worker's. Requires: the session outlives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/exchange.hpp"
#include "gateway/http/h2_chain.hpp"
#include "gateway/http/h2_memory.hpp"
#include "gateway/http/h2_window.hpp"
#include "gateway/loop/event.hpp"

namespace envgate::http {

class H2Session;

class H2Exchange final : public Exchange, loop::Timer {
 public:
  H2Exchange(H2Session& session, std::int32_t stream);
  ~H2Exchange() override;
  static void* operator new(std::size_t size) { return loop::FramePool::allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    loop::FramePool::release(memory, size);
  }

  const RequestHead& request() const override { return request_; }
  loop::Task<BodyPiece> read_body(loop::Deadline deadline) override;
  bool body_ended() const override { return remote_ended_ && body_.empty(); }
  const FieldList& request_trailers() const override;
  loop::Task<bool> send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head, const ResponseForwarding& forwarding) override;
  loop::Task<bool> send_body(std::string_view piece) override;
  loop::Task<bool> send_last(std::string_view piece) override;
  loop::Task<bool> send_end(const FieldList& trailers) override;
  loop::Task<bool> flush() override;  // nothing is held back: the turn's end writes
  loop::Task<bool> send_error(ErrorKind kind, const ErrorContext& context) override;
  void abort() override;
  void on_abandoned(Abandoned* hook) override { abandoned_ = hook; }
  net::Stream* tunnel(net::Buffer& early) override;

  // ---- for the session: what arrives ----

  std::int32_t stream() const { return stream_; }
  void add_field(std::string_view name, std::string_view value, const HeadLimits& limits);
  void begin_trailers();
  void finish_trailers();
  // The header block is whole. `end_stream`: no DATA follows.
  Verdict finish_head(const HeadLimits& limits);
  void receive(std::string_view data);
  void end_remote();  // END_STREAM has come
  bool remote_ended() const { return remote_ended_; }
  bool has_priority() const { return has_priority_; }

  // The stream is closed, in order or not. `at_fault`: because of what the client sent.
  void close(bool at_fault);
  bool closed() const { return closed_; }

  void begin_task() { task_running_ = true; }
  void end_task();
  bool task_running() const { return task_running_; }

  // ---- for the session: what leaves ----

  struct Frame {
    enum State : std::uint8_t { data, nothing_yet, last } state = nothing_yet;
    std::size_t size = 0;
    bool trailers = false;  // where last: they follow, and end the stream
  };
  Frame next_frame(std::size_t most);
  void copy_frame(char* into, std::size_t size);
  void defer() { deferred_ = true; }
  const H2Block* trailers() const { return trailers_to_send_.get(); }
  std::size_t waiting() const { return block_->out.size() - sent_ + view_.size(); }
  void note_headers_sent();
  void end_sent();   // END_STREAM has left
  void reset(std::uint32_t code);
  bool reset_by_us() const { return reset_; }
  void note_client_reset() { client_reset_ = true; }
  bool reset_by_client() const { return client_reset_; }
  // Called once per period: true where nothing of what waits has left for `limit` periods.
  bool stalled(unsigned limit) { return waiting() > 0 && ++stalled_ > limit; }

  std::size_t index = 0;  // the session's own

 private:
  bool can_send() const { return !closed_ && !reset_; }
  void end_answer() { answer_ended_ = true; }
  bool copy_small(std::string_view piece);
  loop::Task<bool> wait_until_taken(std::string_view piece);
  void resume();
  void give_credit(std::size_t n);
  void give_up(std::size_t n);
  void take_piece(std::size_t n);
  void fail_body(int status, std::string_view reason);
  void drop_body();
  void decline_rest();
  void expired() override { reset(0 /* NO_ERROR */); }

  H2Session& session_;
  std::int32_t stream_;
  RequestHead request_;
  H2BlockPtr block_;             // the request's head, and `out`
  H2BlockPtr request_trailers_, trailers_to_send_;
  H2Chain body_;
  H2Window window_;
  std::size_t given_ = 0;        // of body_: viewed by the reader
  std::size_t sent_ = 0;         // of block_->out
  std::string_view view_;        // a large piece, after block_->out
  loop::Event readable_, writable_;
  Abandoned* abandoned_ = nullptr;
  BodyPiece failure_;            // where the body failed: what every read_body returns
  Verdict too_large_;
  std::uint32_t stalled_ = 0;
  bool remote_ended_ = false, closed_ = false, reset_ = false, client_reset_ = false, discarding_ = false;
  bool task_running_ = false, reading_ = false, has_priority_ = false;
  bool answer_ended_ = false, end_sent_ = false, deferred_ = false, view_taken_ = false, hint_waits_ = false;
};

}  // namespace envgate::http
