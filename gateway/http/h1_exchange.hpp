// The Exchange of an HTTP/1.x request: its body is read from the connection by its framing, its answer
// written with the head and the first piece in one write. Thread: the worker's. Requires: `input` begins with
// the request's head until the exchange is destroyed.
#pragma once

#include <string>

#include "gateway/http/chunked.hpp"
#include "gateway/http/exchange.hpp"
#include "gateway/http/scratch.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/net/buffer.hpp"
#include "gateway/net/stream.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

class H1Exchange final : public Exchange, loop::Waiter {
 public:
  H1Exchange(gateway::Worker& worker, net::Stream& stream, net::Buffer& input, std::size_t head_size);
  ~H1Exchange() override;

  RequestHead& head() { return request_; }  // to be parsed into, before anything else

  const RequestHead& request() const override { return request_; }
  loop::Task<BodyPiece> read_body(loop::Deadline deadline) override;
  bool body_ended() const override;
  const FieldList& request_trailers() const override { return decoder_.trailers(); }
  loop::Task<bool> send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head, const ResponseForwarding& forwarding) override;
  loop::Task<bool> send_body(std::string_view piece) override;
  loop::Task<bool> send_last(std::string_view piece) override;
  loop::Task<bool> send_end(const FieldList& trailers) override;
  loop::Task<bool> flush() override;
  loop::Task<bool> send_error(ErrorKind kind, const ErrorContext& context) override;
  void abort() override;
  void on_abandoned(Abandoned* hook) override;
  net::Stream* tunnel(net::Buffer& early) override;

  // The answer is sent: takes the request off the input, so that it begins with the next one. False: the
  // connection cannot carry another.
  bool finish();
  bool tunnelled() const { return tunnelled_; }
  bool aborted() const { return aborted_; }

 private:
  void ready() override;
  void begin_body();
  std::string_view available();
  void take(std::size_t n);
  std::span<char> room_for_more();
  void gather();
  loop::Task<bool> read_more(loop::Deadline deadline, BodyPiece& failure);
  BodyPiece next_of_length(std::string_view input);
  BodyPiece next_of_chunked(std::string_view input, bool& need_more);
  std::string& pending() { return scratch_->text; }
  void give_scratch_back();
  loop::Task<bool> write(std::string_view piece);
  loop::Deadline write_deadline() const;

  gateway::Worker& worker_;
  net::Stream& stream_;
  net::Buffer& input_;
  net::Outbox more_;          // the body's bytes that came later than the head
  std::size_t used_;          // of input_: the head and the part of the body that was taken
  ScratchPtr scratch_;  // the request's fields, and what is written with the next piece; none under a tunnel
  RequestHead request_;
  ChunkedDecoder decoder_;
  std::uint64_t left_ = 0;    // of a body with a length
  bool body_begun_ = false, body_failed_ = false;
  std::string kept_;          // under a tunnel: what the log says of the request
  Framing framing_ = Framing::none;  // of the answer
  bool close_ = false, tunnelled_ = false, aborted_ = false, answer_complete_ = false;
  bool watching_ = false;  // for a FIN, on the stream's read direction
  Abandoned* abandoned_ = nullptr;
};

}  // namespace envgate::http
