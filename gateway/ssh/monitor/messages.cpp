#include "gateway/ssh/monitor/messages.hpp"

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/monitor/fields.hpp"

namespace envgate::ssh::monitor {

// Found by the types of their arguments, so not in a namespace without a name.
auto last_of(Credential) { return Credential::certificate; }
auto last_of(TargetFailure) { return TargetFailure::lost; }
auto last_of(Who) { return Who::monitor; }

void fields(auto& walk, Is<Permitted> auto& m) {
  walk(m.shell, m.exec, m.sftp, m.pty, m.agent, m.x11, m.local_forwarding, m.remote_forwarding,
       m.unix_forwarding);
}
void fields(auto& walk, Is<Recording> auto& m) { walk(m.terminal, m.input, m.exec_output, m.files); }
void fields(auto& walk, Is<Policy> auto& m) {
  walk(m.permitted, m.recording, m.force_command, m.most_channels);
}

void fields(auto& walk, Is<Start> auto& m) { walk(m.host_key); }
void fields(auto& walk, Is<Reply> auto& m) { walk(m.payload, m.last); }
void fields(auto& walk, Is<Target> auto& m) { walk(m.user, m.credential, m.secret, m.host_keys); }
void fields(auto& walk, Is<Admit> auto& m) { walk(m.policy, m.jump); }
void fields(auto& walk, Is<JumpAnswer> auto& m) { walk(m.id, m.text); }
void fields(auto& walk, Is<End> auto& m) { walk(m.reason, m.text); }
void fields(auto&, Is<Ping> auto&) {}

void fields(auto& walk, Is<Handshaken> auto& m) {
  walk(m.session_id, m.client_identification, m.key_exchange, m.cipher, m.mac, m.public_key);
}
void fields(auto& walk, Is<Userauth> auto& m) { walk(m.payload); }
void fields(auto& walk, Is<TargetReady> auto& m) { walk(m.identification); }
void fields(auto& walk, Is<TargetFailed> auto& m) { walk(m.failure, m.text, m.host_key); }
void fields(auto& walk, Is<Jump> auto& m) { walk(m.id, m.host, m.port); }
void fields(auto& walk, Is<Pong> auto& m) { walk(m.bytes_to_target, m.bytes_to_client); }
void fields(auto& walk, Is<Ended> auto& m) {
  walk(m.who, m.violation, m.text, m.bytes_to_target, m.bytes_to_client);
}

// An event has its own form.
void fields(Writing& walk, const Record& m) { write(walk.writer(), m.event); }
void fields(Reading& walk, Record& m) {
  auto event = read_record_event(walk.reader());
  if (!event) return walk.refuse();
  m.event = *std::move(event);
}

void fields(auto& walk, Is<Spawn> auto& m) { walk(m.id); }
void fields(auto& walk, Is<Kill> auto& m) { walk(m.id); }
void fields(auto& walk, Is<Gone> auto& m) { walk(m.id, m.status, m.cpu_milliseconds); }

namespace {

struct Longest {
  std::size_t operator()(const auto&) const { return kMessageMax; }
};

template <typename Message>
std::string encode_any(const Message& message) {
  auth::Writer writer;
  write_variant(writer, message, Longest());
  return std::move(writer).bytes();
}

template <typename Message>
Result<Message> decode_any(std::string_view bytes) {
  if (bytes.size() > kMessageMax) return fail("a message of " + std::to_string(bytes.size()) + " bytes");
  auth::Reader reader(bytes);
  Message message;
  if (!read_variant(reader, message, Longest())) return fail("a message that cannot be read");
  if (!reader.at_end()) return fail("a message with something behind it");
  return message;
}

}  // namespace

std::string encode(const ToSession& message) { return encode_any(message); }
std::string encode(const ToMonitor& message) { return encode_any(message); }
std::string encode(const KeeperMessage& message) { return encode_any(message); }

Result<ToSession> decode_to_session(std::string_view bytes) { return decode_any<ToSession>(bytes); }
Result<ToMonitor> decode_to_monitor(std::string_view bytes) { return decode_any<ToMonitor>(bytes); }
Result<KeeperMessage> decode_keeper(std::string_view bytes) { return decode_any<KeeperMessage>(bytes); }

}  // namespace envgate::ssh::monitor
