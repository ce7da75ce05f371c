#include "gateway/ssh/session/leg.hpp"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/libssh_packets.h"

namespace envgate::ssh::session {
namespace {

constexpr std::uint8_t kDisconnect = 1;  // RFC 4250 section 4.1.2
constexpr std::uint8_t kFirstOfConnection = 80, kLastOfConnection = 127;
constexpr std::size_t kTextMax = 300;

void hand_over(void* user, const std::uint8_t* payload, std::size_t size) {
  static_cast<PacketSink*>(user)->packet({reinterpret_cast<const char*>(payload), size});
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kTextMax)) out += c >= 0x20 && c <= 0x7e ? c : '?';
  return out;
}

}  // namespace

Leg::~Leg() {
  leave();
  if (session_) ssh_free(session_);
  for (packets_tap* const tap : taps_) packets_free(tap);
}

// No file is looked for, and nothing of a user's is read: the process could not, and should not want to.
bool Leg::make(const char* key_exchanges) {
  session_ = ssh_new();
  if (!session_) return false;
  const bool no = false;
  const int no_delay = 1, quiet = SSH_LOG_NOLOG;
  return packets_no_home(session_) && ssh_options_set(session_, SSH_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_LOG_VERBOSITY, &quiet) == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_NODELAY, &no_delay) == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_SSH_DIR, "/nonexistent") == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_KEY_EXCHANGE, key_exchanges) == SSH_OK &&
         ssh_options_set(session_, SSH_OPTIONS_COMPRESSION, "none") == SSH_OK;
}

bool Leg::take(std::uint8_t first, std::uint8_t last, PacketSink& sink) {
  packets_tap* const tap = packets_take(session_, first, last, hand_over, &sink);
  if (tap) taps_.push_back(tap);
  return tap != nullptr;
}

bool Leg::send(std::string_view payload) { return packets_send(session_, payload.data(), payload.size()); }
void Leg::flush() { packets_flush(session_); }
std::size_t Leg::pending() const { return packets_pending(session_); }
bool Leg::broken() const { return packets_broken(session_); }
void Leg::read(bool on) { packets_read(session_, on); }
bool Leg::relay_to(PacketSink& sink) { return take(kFirstOfConnection, kLastOfConnection, sink); }

bool Leg::join(ssh_event_struct* event) {
  ssh_set_blocking(session_, 0);
  const int fd = ssh_get_fd(session_);
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) return false;
  if (ssh_event_add_session(event, session_) != SSH_OK) return false;
  event_ = event;
  return true;
}

void Leg::leave() {
  if (event_ && session_) ssh_event_remove_session(event_, session_);
  event_ = nullptr;
}

void Leg::disconnect(std::uint32_t reason, std::string_view text) {
  if (!session_ || broken()) return;
  auth::Writer writer;
  writer.byte(kDisconnect).uint32(reason).string(text).string("");
  send(writer.bytes());
}

std::string Leg::error() const { return session_ ? printable(ssh_get_error(session_)) : "out of memory"; }

std::string Leg::farewell() const {
  const char* const text = session_ ? packets_farewell(session_) : nullptr;
  return text ? printable(text) : std::string();
}

Error Leg::failure(std::string_view what) const { return Error{std::string(what) + ": " + error(), 0}; }

}  // namespace envgate::ssh::session
