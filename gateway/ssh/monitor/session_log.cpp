#include "gateway/metrics.hpp"
#include "gateway/ssh/monitor/session_monitor.hpp"

namespace envgate::ssh::monitor {

void SessionMonitor::log_failure(const auth::Failed& failure) {
  if (failure.reason.empty() || !failure.counted) return;
  gateway::Metrics::ssh_login(failure.reason);
  if (!gateway::AccessLog::enabled()) return;
  const std::string env = route_ ? route_->env.str() : std::string();
  worker_.access_log
      .line("ssh_login", env, route_.get(), arrival_.peer.address.to_string(), "failure", userauth_->user())
      ->text("reason", failure.reason)
      .text("method", failure.method)
      .text("detail", failure.text)
      .number("source_port", arrival_.peer.port)
      .number("session", static_cast<std::int64_t>(session_->id));
}

void SessionMonitor::log_login() {
  if (!gateway::AccessLog::enabled()) return;
  auto line =
      worker_.access_log.line("ssh_login", route_ ? route_->env.view() : std::string_view(), route_.get(),
                              arrival_.peer.address.to_string(), "success", identity_.user);
  line->text("method", identity_.method)
      .text("login", login_)
      .number("source_port", arrival_.peer.port)
      .number("session", static_cast<std::int64_t>(session_->id));
  if (!record_id_.empty()) line->text("record", record_id_);
  if (identity_.second_factor) line->text("second_factor", "totp");
  if (!identity_.fingerprint.empty()) line->text("key", identity_.fingerprint);
  if (!identity_.key_id.empty()) line->text("key_id", identity_.key_id);
}

void SessionMonitor::log_jump(std::string_view host, std::string_view refusal) {
  if (!gateway::AccessLog::enabled()) return;
  worker_.access_log
      .line("ssh_jump", {}, nullptr, arrival_.peer.address.to_string(),
            refusal.empty() ? "success" : "failure", identity_.user)
      ->text("to", host)
      .text("reason", refusal)
      .number("session", static_cast<std::int64_t>(session_->id));
}

void SessionMonitor::log_end() {
  const bool in = is_in();
  gateway::Metrics& metrics = gateway::the_metrics();
  if (ended_) {
    metrics.bytes_to_target.add(ended_->bytes_to_target);
    metrics.bytes_to_client.add(ended_->bytes_to_client);
  }
  if (!in) gateway::Metrics::refused(reason_);
  const std::string_view status = !in                          ? reason_
                                  : session_->killed           ? "killed"
                                  : !ended_                    ? "session_lost"
                                  : ended_->violation          ? "protocol_violation"
                                  : ended_->who == Who::target ? "target_closed"
                                                               : "success";
  record_.close(std::string(status));
  if (!gateway::AccessLog::enabled()) return;
  const std::string user = userauth_ ? userauth_->user() : std::string();
  auto line = worker_.access_log.line("ssh_connection", route_ ? route_->env.view() : std::string_view(),
                                      route_.get(), arrival_.peer.address.to_string(), status, user);
  line->number("source_port", arrival_.peer.port)
      .text("protocol", to_string(gateway::Protocol::ssh_audited))
      .text("client", handshaken_.client_identification)
      .number("session", static_cast<std::int64_t>(session_->id))
      .seconds("duration", worker_.reactor.now() - session_->started);
  if (!record_id_.empty()) line->text("record", record_id_);
  if (!ended_) return;
  line->number("bytes_to_target", static_cast<std::int64_t>(ended_->bytes_to_target))
      .number("bytes_to_client", static_cast<std::int64_t>(ended_->bytes_to_client))
      .text("detail", ended_->text);
}

}  // namespace envgate::ssh::monitor
