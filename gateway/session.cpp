#include "gateway/session.hpp"

namespace envgate::gateway {

std::string_view to_string(Protocol protocol) {
  static constexpr std::string_view kNames[] = {"ssh", "tcp", "ssh_tls", "https", "http", "ssh_audited"};
  return kNames[static_cast<std::size_t>(protocol)];
}

Session::Session(Sessions& sessions, Protocol how, const Endpoint& from, net::Stream& stream)
    : id((sessions.next_++ << 8) | sessions.worker_),
      protocol(how),
      client(from),
      started(stream.watch().reactor().now()),
      client_stream(&stream),
      sessions_(sessions) {
  sessions_.by_id_.emplace(id, this);
}

Session::~Session() { sessions_.by_id_.erase(id); }

void Session::kill() {
  killed = true;
  if (target_stream) target_stream->abort(false);
  client_stream->abort(false);
}

Session* Sessions::find(std::uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

}  // namespace envgate::gateway
