// Connection: requests on a channel and their answers, which come in the order of the requests (RFC 4254
// section 5.4). From the client only what is known passes: a request that a target might understand and that
// is not known here could start what the record would not see. Unknown ones are answered with a failure, as
// OpenSSH answers them.
#include <algorithm>
#include <iterator>

#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kAskedMax = 1024;  // without an answer, each way, on one channel
constexpr std::size_t kTermMax = 256, kModesMax = 4096, kSubsystemMax = 256, kX11Max = 1024;  // bytes

constexpr std::string_view kPassFromClient[] = {
    "env", "signal", "break", "xon-xoff", "eow@openssh.com", "keepalive@openssh.com",
};
constexpr std::string_view kPassFromTarget[] = {
    "xon-xoff",
    "signal",
    "eow@openssh.com",
    "keepalive@openssh.com",
};
constexpr std::string_view kPassOnForwards[] = {"eow@openssh.com", "keepalive@openssh.com"};

bool is_among(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string answer(bool success, std::uint32_t number) {
  auth::Writer writer;
  writer.byte(success ? message::kSuccess : message::kFailure).uint32(number);
  return std::move(writer).bytes();
}

}  // namespace

void Connection::request(Reader body) {
  Channel* const channel = addressed(body, true);
  if (channel == nullptr) return;
  std::string_view name;
  bool want_reply;
  if (!body.string(name) || !body.boolean(want_reply)) return violation("a malformed request");
  if (name.size() > auth::kNameMax) return violation("a request's name is too long");
  if (want_reply && channel->asked[index(from_)].size() >= kAskedMax)
    return violation("too many requests without an answer");
  if (!channel->record) {
    if (is_among(name, kPassOnForwards)) return pass_request(*channel, ChannelAsked::For::other, want_reply);
    return refuse_request(*channel, want_reply);
  }
  if (from_ == Side::client)
    client_request(*channel, name, want_reply, body);
  else
    target_request(*channel, name, want_reply, body);
}

void Connection::client_request(Channel& channel, std::string_view name, bool want_reply, Reader body) {
  if (name == "shell" || name == "exec" || name == "subsystem")
    return program_request(channel, name, want_reply, body);
  if (name == "pty-req") return pty_request(channel, want_reply, body);
  if (name == "x11-req") return side_request(channel, ChannelAsked::For::x11, want_reply, body);
  if (name == "auth-agent-req@openssh.com")
    return side_request(channel, ChannelAsked::For::agent, want_reply, body);
  if (name == "window-change") {
    std::uint32_t columns, rows, width, height;
    if (!body.uint32(columns) || !body.uint32(rows) || !body.uint32(width) || !body.uint32(height) ||
        !body.at_end())
      return violation("a malformed window-change");
    channel.record->resize(columns, rows);
    return pass_request(channel, ChannelAsked::For::other, want_reply);
  }
  if (is_among(name, kPassFromClient)) return pass_request(channel, ChannelAsked::For::other, want_reply);
  refuse_request(channel, want_reply);
}

void Connection::target_request(Channel& channel, std::string_view name, bool want_reply, Reader body) {
  if (name == "exit-status") {
    std::uint32_t status;
    if (!body.uint32(status) || !body.at_end()) return violation("a malformed exit-status");
    channel.record->exited(status, {});
  } else if (name == "exit-signal") {
    std::string_view signal, text, language;
    bool core;
    if (!body.string(signal) || !body.boolean(core) || !body.string(text) || !body.string(language) ||
        !body.at_end() || signal.size() > auth::kNameMax)
      return violation("a malformed exit-signal");
    channel.record->exited(0, signal);
  } else if (!is_among(name, kPassFromTarget)) {
    return refuse_request(channel, want_reply);
  }
  pass_request(channel, ChannelAsked::For::other, want_reply);
}

void Connection::pty_request(Channel& channel, bool want_reply, Reader body) {
  std::string_view term, modes;
  std::uint32_t columns, rows, width, height;
  if (!body.string(term) || !body.uint32(columns) || !body.uint32(rows) || !body.uint32(width) ||
      !body.uint32(height) || !body.string(modes) || !body.at_end())
    return violation("a malformed pty-req");
  if (term.size() > kTermMax || modes.size() > kModesMax)
    return violation("an over-long string in a pty-req");
  using Stage = ChannelRecord::Stage;
  const bool in_place = channel.record->pty() == Stage::none && channel.record->program() == Stage::none;
  if (!policy_.permitted.pty || !in_place) {
    refuse_request(channel, want_reply);
    return refused("pty", in_place ? term : "a pty too many, or too late");
  }
  channel.record->ask_pty(term, columns, rows);
  pass_request(channel, ChannelAsked::For::pty, want_reply);
}

void Connection::program_request(Channel& channel, std::string_view kind, bool want_reply, Reader body) {
  std::string_view command;
  if ((kind != "shell" && !body.string(command)) || !body.at_end())
    return violation("a malformed request to run a program");
  if (kind == "subsystem" && command.size() > kSubsystemMax)
    return violation("a subsystem's name is too long");
  const bool forced = !policy_.force_command.empty();
  const monitor::Permitted& may = policy_.permitted;
  const bool permitted = kind == "shell" ? may.shell : kind == "exec" ? may.exec : may.sftp;
  const bool in_place = channel.record->program() == ChannelRecord::Stage::none;
  if (!(permitted || (forced && kind != "subsystem")) || !in_place) {
    refuse_request(channel, want_reply);
    return refused(kind == "subsystem" ? "sftp" : std::string(kind),
                   in_place ? command : "a second program on one channel");
  }
  if (forced) {
    auth::Writer writer;
    writer.byte(message::kRequest).uint32(channel.end(other(from_)).number);
    writer.string("exec").boolean(want_reply).string(policy_.force_command);
    verdict_.replacement = std::move(writer).bytes();
    channel.record->ask_program("exec", policy_.force_command);
  } else {
    channel.record->ask_program(kind, command);
  }
  pass_request(channel, ChannelAsked::For::program, want_reply);
}

// x11-req (RFC 4254 section 6.3.1) and auth-agent-req: they let the target open channels.
void Connection::side_request(Channel& channel, ChannelAsked::For what, bool want_reply, Reader body) {
  const bool x11 = what == ChannelAsked::For::x11;
  if (x11) {
    bool single;
    std::string_view protocol, cookie;
    std::uint32_t screen;
    if (!body.boolean(single) || !body.string(protocol) || !body.string(cookie) || !body.uint32(screen) ||
        protocol.size() > kX11Max || cookie.size() > kX11Max)
      return violation("a malformed x11-req");
  }
  if (!body.at_end()) return violation("a malformed request to forward X11 or an agent");
  if (!(x11 ? policy_.permitted.x11 : policy_.permitted.agent)) {
    refuse_request(channel, want_reply);
    return refused(x11 ? "x11" : "agent", x11 ? "x11-req" : "auth-agent-req");
  }
  pass_request(channel, what, want_reply);
}

// Where no answer is wanted none will say whether it was granted: it is taken to be.
void Connection::pass_request(Channel& channel, ChannelAsked::For what, bool want_reply) {
  if (want_reply)
    channel.asked[index(from_)].push_back({false, what});
  else
    settle(channel, what, true);
}

void Connection::refuse_request(Channel& channel, bool want_reply) {
  verdict_.action = Verdict::Action::drop;
  if (!want_reply || channel.end(other(from_)).closed) return;  // nothing follows the other end's CLOSE
  auto& asked = channel.asked[index(from_)];
  if (asked.empty())
    reply(from_, answer(false, channel.end(from_).number));
  else
    asked.push_back({true, ChannelAsked::For::other});
}

void Connection::settle(Channel& channel, ChannelAsked::For what, bool success) {
  switch (what) {
    case ChannelAsked::For::other: return;
    case ChannelAsked::For::pty: return channel.record->answer_pty(success);
    case ChannelAsked::For::program: return channel.record->answer_program(success);
    case ChannelAsked::For::x11: x11_granted_ |= success; return;
    case ChannelAsked::For::agent: agent_granted_ |= success; return;
  }
}

void Connection::channel_reply(bool success, Reader body) {
  Channel* const channel = addressed(body, true);
  if (channel == nullptr) return;
  if (!body.at_end()) return violation("a malformed answer to a request");
  const Side asker = other(from_);
  auto& asked = channel->asked[index(asker)];
  if (asked.empty()) return violation("an answer to a request that nobody made");
  const ChannelAsked::For what = asked.front().what;
  asked.pop_front();
  settle(*channel, what, success);
  for (; !asked.empty() && asked.front().answered_here; asked.pop_front())
    reply(asker, answer(false, channel->end(asker).number));
}

}  // namespace envgate::ssh::session
