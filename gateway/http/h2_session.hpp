// One HTTP/2 connection as a server: nghttp2 does the framing, and this moves its bytes.
//
// Reading is a task: what the stream has goes through nghttp2, whose callbacks gather requests and hand DATA
// to the exchanges; the requests that have become whole are started once the read is digested, so that one
// which was taken back in the same breath never reaches a target. Writing happens once per turn of the
// reactor, for all streams together, in pieces of one TLS record (FACTS: 14.5 -> 7.8 us per request); when
// the stream is full it goes on as soon as there is room, and meanwhile nothing is produced.
//
// An exchange lives until its stream is closed and its task has ended. An idle connection holds no buffer.
// Thread: the reactor's. Owns: the nghttp2 session, the exchanges and their tasks.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/exchange.hpp"
#include "gateway/http/h2_exchange.hpp"
#include "gateway/http/h2_options.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/net/buffer.hpp"
#include "gateway/net/stream.hpp"

struct nghttp2_session;

namespace envgate::http {

// What a connection's requests are given to, and whom it tells of itself.
class H2Service {
 public:
  // Runs one request to the end of its answer. What it returns is of no matter here: streams are not reused.
  virtual loop::Task<bool> answer(Exchange& exchange) = 0;

  // A request that was refused for its head; returns the id under which it was logged.
  virtual std::string refused(const Verdict& verdict) = 0;

  // The connection, or a stream of it, is cut short; `reason` is a literal from a fixed set.
  virtual void misbehaved(std::string_view reason) = 0;

  // False once it has been without a stream for a while: it may be closed without anybody's loss.
  virtual void busy(bool busy) = 0;

  virtual bool draining() const = 0;

 protected:
  ~H2Service() = default;
};

class H2Session final : loop::TurnEnd, loop::Waiter, loop::Timer {
 public:
  H2Session(loop::Reactor& reactor, net::Stream& stream, H2Service& service, const H2Options& options);
  ~H2Session();

  // Serves until the connection has ended, either side's doing, and every task with it. The stream stays
  // open.
  loop::Task<void> run();

  // ---- for the exchanges ----
  nghttp2_session* handle() const { return handle_; }
  loop::Reactor& reactor() const { return reactor_; }
  void output() { reactor_.at_turn_end(*this); }  // there may be something to write
  std::uint32_t stream_window() const { return options_.stream_window; }
  void grow(std::int32_t stream, H2Window& window);  // twice as wide, if that is allowed

 private:
  friend struct H2Callbacks;
  struct Readable;

  // reading
  loop::Task<void> read();
  bool feed(std::string_view bytes);  // false: the connection is beyond repair
  void start_requests();
  void start(H2Exchange& exchange);
  loop::Task<void> serve(H2Exchange& exchange, Verdict verdict);
  loop::Task<void> refuse(H2Exchange& exchange, const Verdict& verdict);

  // what nghttp2 tells; frames by their parts
  void begin_head(std::int32_t stream);
  void begin_trailers(H2Exchange* exchange);
  void add_field(std::int32_t stream, std::string_view name, std::string_view value);
  void head_ended(bool is_request, bool end_stream);
  void stream_reset_by_client(H2Exchange* exchange);
  void stream_reset_sent(const H2Exchange* exchange, std::uint32_t code);
  void control_frame();
  void stream_closed(H2Exchange& exchange, bool at_fault);

  // writing
  void turn_ended() override { flush(); }
  void flush();
  void fill();
  bool next_frames();
  std::size_t room_for_data() const;
  void put_data(const std::uint8_t* frame_header, H2Exchange& exchange, std::size_t size);

  // ends
  void ready() override;
  void expired() override;
  void check_idle();
  void check_stalled();
  loop::Time idle_until() const;
  void arm_timer();
  void drain();
  void terminate(std::uint32_t code, std::string_view reason);
  void broken();
  void begin_close();
  void leave();
  void forget(H2Exchange& exchange);

  static constexpr std::size_t kRecord =
      16 * 1024;  // RFC 8446 section 5.1: the largest plaintext of one record
  static constexpr std::size_t kFrameHeader = 9;     // RFC 9113 section 4.1
  static constexpr std::chrono::seconds kLingerTime{
      2};  // from GOAWAY until the connection is closed all the same

  enum class State : std::uint8_t {
    open,
    closing,  // everything is written, FIN is sent; what still comes is read and forgotten
    ended,    // nothing more is read or written; tasks may still be ending
  };

  loop::Reactor& reactor_;
  net::Stream& stream_;
  H2Service& service_;
  const H2Options options_;
  nghttp2_session* handle_ = nullptr;
  State state_ = State::open;
  bool greeted_ = false;        // the client has sent its SETTINGS
  bool busy_ = true;            // as the service was told
  bool draining_ = false, last_goaway_ = false, terminated_ = false, armed_ = false;
  bool write_blocked_ = false;
  loop::Direction write_waits_for_ = loop::Direction::write, read_waits_for_ = loop::Direction::read;
  std::coroutine_handle<> reader_;
  net::Buffer out_;             // one record, gathered
  std::string_view rest_;       // of what nghttp2 has serialised, in its memory or in kept_rest_
  std::string kept_rest_;       // what did not fit into a record: rare
  H2Exchange* collecting_ = nullptr;  // whose header block is arriving
  std::vector<H2Exchange*> exchanges_, starting_;
  unsigned running_ = 0;        // tasks
  loop::Time idle_since_, collecting_since_, drain_since_;
  loop::Clock::duration period_;  // of the timer
  unsigned stalled_ = 0;        // periods in which nothing could be written
  H2Budget resets_, control_;
  std::uint32_t connection_window_;
  H2WindowShare window_share_;
  loop::Scope streams_;         // last: its tasks use all of the above
};

}  // namespace envgate::http
