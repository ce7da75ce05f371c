// How forward.cpp and forward_body.cpp share one request on its way: its parts, and what they have found out.
// Internal to the two. Thread: the worker's.
#pragma once

#include <array>
#include <string_view>

#include "gateway/http/exchange.hpp"
#include "gateway/http/forward.hpp"
#include "gateway/http/scratch.hpp"
#include "gateway/http/target_pool.hpp"
#include "gateway/http/upload.hpp"
#include "gateway/http/websocket.hpp"
#include "gateway/loop/fair_share.hpp"
#include "gateway/relay/throttle.hpp"

namespace envgate::http {

// What is read of an answer at once: with a chunk's size or a frame's header before it, it fills one TLS
// record (RFC 8446 section 5.1), where a full buffer would take a second, small one.
inline constexpr std::size_t kPiece = 16 * 1024 - 16;

class Forwarder final : Abandoned {
 public:
  Forwarder(gateway::Worker& worker, gateway::Session& session, Exchange& exchange, const Client& client,
            const ForwardTarget& target, std::string_view request_id, Forwarded& out);
  ~Forwarder();

  loop::Task<void> run();

 private:
  enum class Attempt : std::uint8_t { done, again };
  enum class Head : std::uint8_t { complete, nothing, broken, timed_out, bad, client_gone };

  // ---- forward.cpp: the request, and the answer's head ----

  void abandoned() override;
  // Several requests share the client's connection: it ends its own streams, and the session names no one
  // target.
  bool multiplexed() const { return exchange_.request().version == Version::http2; }
  bool repeatable() const;
  TargetKey key() const;
  loop::Task<bool> connect();
  loop::Task<Attempt> attempt();
  loop::Task<Attempt> no_answer(Head got);
  void write_head(std::string& out);
  loop::Task<Head> read_head();
  loop::Task<Head> read_more_head();
  loop::Deadline head_due() const;
  loop::Task<bool> pass_informational();
  loop::Task<void> start_tunnel();
  loop::Task<void> fail(ErrorKind kind, std::string_view result);
  void cut();
  ResponseForwarding response_forwarding() const;

  // ---- forward_body.cpp: the answer. False: cut short, by either side ----

  bool begins_well() const;
  loop::Task<bool> answer();
  loop::Task<bool> body_of_length();
  loop::Task<bool> body_chunked();
  loop::Task<bool> body_until_close();
  loop::Task<bool> more();
  loop::Task<bool> send(std::string_view piece, bool last = false);

  gateway::Worker& worker_;
  gateway::Session& session_;
  Exchange& exchange_;
  const Client& client_;
  const ForwardTarget& target_;
  std::string_view request_id_;
  Forwarded& out_;
  gateway::GatewaySettingsPtr settings_;
  relay::Throttle throttle_;
  TargetConnectionPtr connection_;
  Upload upload_;
  loop::FairShare share_{loop::kCopiedShare};
  ScratchPtr scratch_;  // the request's head as the target gets it, and the answer's fields
  ResponseHead response_;
  std::array<char, kWebSocketKeySize> generated_key_{};
  std::size_t head_size_ = 0;  // of the response, still in connection_->received
  loop::Time asked_;           // when the request's head was sent, or the last 1xx came
  bool client_gone_ = false;
  bool target_ended_ = false;  // by closing, not by a reset
};

}  // namespace envgate::http
