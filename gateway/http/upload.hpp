// A request's body on its way to the target, as a task beside the one that reads the answer.
// Thread: the worker's.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/http/exchange.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

class Upload {
 public:
  Upload(gateway::Worker& worker, Exchange& exchange, const relay::Throttle& throttle)
      : worker_(worker), exchange_(exchange), throttle_(throttle) {}

  // Writes `head`, then the body framed as target_framing says. Counts body bytes in `sent`. When the client
  // fails, or the target takes nothing for timeouts.response_head, the target's stream is aborted, so that
  // whoever reads the answer wakes; when the target stops reading, it ends quietly, since the target's answer
  // says why. Once.
  loop::Task<void> run(net::Stream& target, const std::string& head, std::uint64_t& sent);

  bool under_way() const { return under_way_; }
  bool complete() const { return complete_; }
  loop::Time ended() const { return ended_; }  // the clock's beginning where there was none
  bool target_stalled() const { return target_stalled_; }
  bool client_failed() const { return client_failed_; }
  ErrorKind error_kind() const { return kind_; }
  std::string_view reason() const { return reason_; }

 private:
  // When the next piece must be here: the client is given `request_body` in all to make us wait, and a second
  // more for each min_body_rate bytes that it has sent. The target's slowness is not counted.
  loop::Deadline next_deadline() const;
  loop::Task<bool> send_body(net::Stream& target, const std::string& head, std::uint64_t& sent);
  loop::Task<bool> send_piece(net::Stream& target, const std::string& head, std::string_view piece);
  loop::Task<bool> write(net::Stream& target, std::string_view front, std::string_view piece);
  void client_failed(const BodyPiece& piece, net::Stream& target);

  gateway::Worker& worker_;
  Exchange& exchange_;
  const relay::Throttle& throttle_;
  Framing framing_ = Framing::none;
  std::uint64_t received_ = 0;
  loop::Clock::duration waited_{0};
  loop::Time ended_;
  bool head_written_ = false;
  bool under_way_ = false, complete_ = false, client_failed_ = false, target_stalled_ = false;
  ErrorKind kind_ = ErrorKind::bad_request;
  std::string_view reason_ = "client_gone";
};

}  // namespace envgate::http
