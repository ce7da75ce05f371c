// The monitor of one session, as monitor.hpp says, in parts: its way through the states
// (session_monitor.cpp), the login (login.cpp), the way to the target (onward_login.cpp), jumps (jumps.cpp),
// the log (session_log.cpp). Thread: the worker's. Owns: its end of the socketpair, what it holds of limits,
// the record's handle.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "gateway/guard.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/ssh/auth/userauth.hpp"
#include "gateway/ssh/monitor/audited.hpp"
#include "gateway/ssh/monitor/monitor.hpp"
#include "gateway/ssh/monitor/packet_stream.hpp"
#include "gateway/ssh/monitor/states.hpp"
#include "gateway/ssh/recorder/recorder.hpp"

namespace envgate::ssh::monitor {

// What the recorder's thread tells, where the monitor may be gone by the time it is heard.
struct RecordSignal {
  explicit RecordSignal(loop::Reactor& reactor) : low(reactor) {}
  loop::Event low;
  bool failed = false, abandoned = false;
};

// What certificates are held against, and made by.
inline std::chrono::sys_seconds wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

class SessionMonitor final : loop::Timer {
 public:
  SessionMonitor(gateway::Worker& worker, Arrival& arrival)
      : worker_(worker), audited_(*worker.shared.audited), arrival_(arrival), route_(arrival.route) {}
  ~SessionMonitor();
  loop::Task<void> run();

 private:
  // session_monitor.cpp
  bool enter();
  bool start();
  loop::Task<void> relay();
  loop::Task<bool> receive(loop::Deadline deadline);
  bool is_in() const { return state_ >= State::relaying; }
  void heard();
  void note_progress(const Pong& pong);
  loop::Task<void> see_it_go();
  void record(RecordEvent event);
  void see_whether_it_answers();
  void distrust(std::string_view reason);  // the process has said what it may not: it ends
  bool send(const ToSession& message, int descriptor = -1);
  void end(std::string_view reason, std::string text, std::uint32_t code = 11);
  void punish();
  void expired() override;  // the login took too long

  // login.cpp
  loop::Task<void> log_in();
  void handshaken(Handshaken& said);
  loop::Task<void> authenticate(std::string payload);
  loop::Task<auth::Account> find_account(std::string user);
  loop::Task<bool> check_password(auth::CheckPassword& asked, bool& busy);
  loop::Task<bool> check_totp(auth::CheckTotp& asked);

  // onward_login.cpp
  loop::Task<void> go_on(auth::Identity identity);
  loop::Task<bool> wake_it();
  bool is_allowed_from();
  bool may_enter();
  loop::Task<bool> take_turn();
  loop::Task<bool> connect_target();
  loop::Task<Result<void>> credential(Target& target);
  loop::Task<bool> log_in_onward();
  bool target_answered();
  Policy policy() const;
  bool open_record(const Recording& recording);
  void admit(State next);

  // jumps.cpp
  loop::Task<void> pass_on(Jump asked);
  loop::Task<Fd> way_to(Jump asked, std::string& refusal);
  loop::Task<Fd> connect_onward(routing::RoutePtr found, std::string& refusal);
  bool may_pass_on(const routing::Route& route, std::uint32_t port) const;

  // session_log.cpp
  void log_failure(const auth::Failed& failure);
  void log_login();
  void log_jump(std::string_view host, std::string_view refusal);
  void log_end();

  gateway::Worker& worker_;
  Audited& audited_;
  Arrival& arrival_;
  routing::RoutePtr route_;
  gateway::StartupPlace place_;
  gateway::Permit environment_;
  PacketStream stream_;
  std::optional<gateway::Session> session_;
  State state_ = State::key_exchange;
  bool over_ = false;
  std::string_view reason_ = "no_login";  // of the end, where there was no login
  ToMonitor said_;
  std::string entry_;  // whose host key was shown
  Handshaken handshaken_;
  std::optional<auth::Userauth> userauth_;
  auth::Identity identity_;
  std::string login_;
  OnwardTurn turn_;
  net::Socket target_;
  loop::Scope jumps_;
  std::vector<gateway::Permit> jump_permits_;
  recorder::Handle record_;
  std::string record_id_;
  std::shared_ptr<RecordSignal> record_signal_;
  bool record_full_ = false;
  loop::Time pinged_{}, ponged_{};
  std::optional<Ended> ended_;
};

}  // namespace envgate::ssh::monitor
