// One request and its answer, as the forwarder sees them, whichever HTTP version the client speaks. The two
// ends of this interface know nothing of each other: h1_connection and h2_connection implement it, forward
// and respond use it.
//
// Thread: the worker's. Requires: one call of read_body and one of the send functions may be under way at a
// time, each in a task of its own; the exchange outlives both.
#pragma once

#include <string_view>

#include "base/ip.hpp"
#include "gateway/http/error_page.hpp"
#include "gateway/http/message.hpp"
#include "gateway/http/rewrite.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/loop/timer_wheel.hpp"
#include "gateway/net/buffer.hpp"

namespace envgate::net {
class Stream;
}

namespace envgate::http {

// Who asks: true of the whole connection.
struct Client {
  Endpoint peer;
  std::string address;             // peer's, as text
  std::string_view proto = "https";
};

struct BodyPiece {
  enum State : std::uint8_t { data, end, failed } state = end;
  std::string_view bytes;  // valid until the next read_body
  // Where failed: what to answer, if it is not too late. 0: the client is gone.
  int status = 0;
  std::string_view reason;
};

// Told when the client has gone before its answer was complete, so that the target's work can be cut short.
class Abandoned {
 public:
  virtual void abandoned() = 0;

 protected:
  ~Abandoned() = default;
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& request() const = 0;

  // The next bytes of the request's body; end again and again once it has ended. `deadline` is for this
  // piece.
  virtual loop::Task<BodyPiece> read_body(loop::Deadline deadline) = 0;
  virtual bool body_ended() const = 0;
  virtual const FieldList& request_trailers() const = 0;

  // A 1xx other than 101. False: the client is gone (so below).
  virtual loop::Task<bool> send_informational(const ResponseHead& head) = 0;

  // The head is kept until the first send_body, send_end or flush, so that they leave together.
  virtual void send_head(const ResponseHead& head, const ResponseForwarding& forwarding) = 0;
  virtual loop::Task<bool> send_body(std::string_view piece) = 0;  // resumes when `piece` is no longer needed
  virtual loop::Task<bool> send_last(std::string_view piece) = 0;  // send_body and send_end in one
  virtual loop::Task<bool> send_end(const FieldList& trailers) = 0;
  virtual loop::Task<bool> flush() = 0;
  bool head_sent() const { return head_sent_; }

  // A whole answer of the gateway's own. Requires: !head_sent().
  virtual loop::Task<bool> send_error(ErrorKind kind, const ErrorContext& context) = 0;

  // The answer cannot be completed: the client must be able to see that it was cut.
  virtual void abort() = 0;

  // While `hook` is set, it is told once if the client leaves. Null takes it back.
  virtual void on_abandoned(Abandoned* hook) = 0;

  // After a 101 was sent on HTTP/1: the stream itself, and what the client has already sent behind its
  // request. Null where the tunnel is an HTTP/2 stream, which goes on through read_body and send_body.
  virtual net::Stream* tunnel(net::Buffer& early) = 0;

 protected:
  bool head_sent_ = false;
};

}  // namespace envgate::http
