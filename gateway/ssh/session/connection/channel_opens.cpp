// Connection: channels that are opened, by either end, and the other's answer to that. What comes from the
// target is let through only where the client asked for it: a forward that was granted, X11, its agent.
#include <algorithm>

#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kHostMax = 1025, kPathMax = 4096, kReasonMax = 4096;  // bytes

std::string host_and_port(std::string_view host, std::uint32_t port) {
  const bool bracketed = host.find(':') != host.npos;
  return (bracketed ? "[" + std::string(host) + "]" : std::string(host)) + ':' + std::to_string(port);
}

bool address(auth::Reader& reader, std::string_view& host, std::uint32_t& port) {
  return reader.string(host) && host.size() <= kHostMax && reader.uint32(port) && port <= 65535;
}

// direct-tcpip, forwarded-tcpip: where to, where from (RFC 4254 section 7.2).
bool read_tcpip(auth::Reader& body, std::string_view& host, std::uint32_t& port) {
  std::string_view from;
  std::uint32_t from_port;
  // The port of origin is whatever its end says: OpenSSH sends 65536 and -1 in places.
  return address(body, host, port) && body.string(from) && from.size() <= kHostMax &&
         body.uint32(from_port) && body.at_end();
}

bool read_path(auth::Reader& body, std::string_view& path) {
  return body.string(path) && path.size() <= kPathMax;
}

}  // namespace

void Connection::open(Reader body) {
  Opening opening;
  std::uint32_t window;
  if (!body.string(opening.type) || !body.uint32(opening.opener.number) || !body.uint32(window) ||
      !body.uint32(opening.opener.packet_max))
    return violation("a malformed open");
  opening.opener.window = window;
  if (opening.type.size() > auth::kNameMax) return violation("a channel type's name is too long");
  if (by_number_[index(from_)].contains(opening.opener.number))
    return violation("an open of channel " + std::to_string(opening.opener.number) + ", which is in use");
  if (from_ == Side::client)
    client_open(std::move(opening), body);
  else
    target_open(std::move(opening), body);
}

void Connection::client_open(Opening opening, Reader body) {
  const monitor::Permitted& may = policy_.permitted;
  if (opening.type == "session") {
    if (!body.at_end()) return violation("a malformed open of a session");
    return admit_open(std::move(opening));
  }
  std::string_view where;
  std::uint32_t port;
  if (opening.type == "direct-tcpip") {
    if (!read_tcpip(body, where, port)) return violation("a malformed open of direct-tcpip");
    opening.destination = host_and_port(where, port);
    if (may.local_forwarding) return admit_open(std::move(opening));
    refuse_open(opening, OpenFailure::prohibited, "direct-tcpip is not permitted here");
    return refused("local_forwarding", opening.destination);
  }
  if (opening.type == "direct-streamlocal@openssh.com") {
    std::string_view reserved;
    std::uint32_t reserved_number;
    if (!read_path(body, where) || !body.string(reserved) || !body.uint32(reserved_number) || !body.at_end())
      return violation("a malformed open of direct-streamlocal");
    opening.destination = where;
    if (may.unix_forwarding) return admit_open(std::move(opening));
    refuse_open(opening, OpenFailure::prohibited, "direct-streamlocal is not permitted here");
    return refused("unix_forwarding", opening.destination);
  }
  refuse_open(opening, OpenFailure::prohibited, "such a channel is not permitted here");
  refused("channel", opening.type);
}

void Connection::target_open(Opening opening, Reader body) {
  std::string_view where;
  std::uint32_t port;
  bool asked_for = false;
  if (opening.type == "forwarded-tcpip") {
    if (!read_tcpip(body, where, port)) return violation("a malformed open of forwarded-tcpip");
    opening.destination = host_and_port(where, port);
    // By the port alone: servers give the address as they bound it, not always as it was asked for.
    asked_for = std::any_of(forwards_.begin(), forwards_.end(), [port](const Forward& forward) {
      return !forward.local_socket && forward.port == port;
    });
  } else if (opening.type == "forwarded-streamlocal@openssh.com") {
    std::string_view reserved;
    if (!read_path(body, where) || !body.string(reserved) || !body.at_end())
      return violation("a malformed open of forwarded-streamlocal");
    opening.destination = where;
    asked_for = was_asked_for({true, std::string(where), 0});
  } else if (opening.type == "x11") {
    if (!address(body, where, port) || !body.at_end()) return violation("a malformed open of x11");
    opening.destination = host_and_port(where, port);
    asked_for = x11_granted_;
  } else if (opening.type == "auth-agent@openssh.com") {
    if (!body.at_end()) return violation("a malformed open of auth-agent");
    asked_for = agent_granted_;
  }
  if (asked_for) return admit_open(std::move(opening));
  refuse_open(opening, OpenFailure::prohibited, std::string(opening.type) + " is not permitted here");
  refused("target_channel", opening.type);
}

void Connection::admit_open(Opening opening) {
  if (channels_.size() >= policy_.most_channels) {
    refuse_open(opening, OpenFailure::resource_shortage, "one more channel is not permitted here");
    return refused("most_channels", opening.type);
  }
  Channel& channel = channels_[++last_channel_];
  channel.number = last_channel_;
  channel.opener = from_;
  channel.end(from_) = opening.opener;
  channel.kind = opening.type.substr(0, opening.type.find('@'));
  if (channel.kind == "auth-agent") channel.kind = "agent";
  channel.destination = std::move(opening.destination);
  if (opening.type == "session") channel.record.emplace(channel.number, policy_.recording, sink_);
  by_number_[index(from_)][opening.opener.number] = &channel;
}

void Connection::refuse_open(const Opening& opening, OpenFailure reason, const std::string& text) {
  verdict_.action = Verdict::Action::drop;
  auth::Writer writer;
  writer.byte(message::kOpenFailure).uint32(opening.opener.number).uint32(static_cast<std::uint32_t>(reason));
  writer.string("envgate: " + text).string("en");
  reply(from_, std::move(writer).bytes());
}

void Connection::open_confirmation(Reader body) {
  std::uint32_t number, window;
  ChannelEnd end;
  if (!body.uint32(number) || !body.uint32(end.number) || !body.uint32(window) ||
      !body.uint32(end.packet_max))
    return violation("a malformed confirmation of an open");  // what follows is the type's own
  end.window = window;
  const Side opener = other(from_);
  const auto found = by_number_[index(opener)].find(number);
  if (found == by_number_[index(opener)].end() || found->second->state != Channel::State::opening ||
      found->second->opener != opener)
    return violation("a confirmation of an open that nobody made");
  Channel& channel = *found->second;
  if (!by_number_[index(from_)].emplace(end.number, &channel).second)
    return violation("a confirmation with channel " + std::to_string(end.number) + ", which is in use");
  channel.end(from_) = end;
  channel.state = Channel::State::open;
  channel.opened = now_;
}

void Connection::open_failure(Reader body) {
  std::uint32_t number, reason;
  std::string_view text, language;
  if (!body.uint32(number) || !body.uint32(reason)) return violation("a malformed failure of an open");
  // OpenSSH takes one without a text, too, from servers of old.
  if (!body.at_end() && (!body.string(text) || !body.string(language) || !body.at_end()))
    return violation("a malformed failure of an open");
  if (text.size() > kReasonMax) return violation("a failure of an open with too long a text");
  const Side opener = other(from_);
  const auto found = by_number_[index(opener)].find(number);
  if (found == by_number_[index(opener)].end() || found->second->state != Channel::State::opening ||
      found->second->opener != opener)
    return violation("a failure of an open that nobody made");
  forget(*found->second);
}

}  // namespace envgate::ssh::session
