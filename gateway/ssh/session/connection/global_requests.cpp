// Connection: global requests and their answers. Answers have no number: they come in the order of the
// requests (RFC 4254 section 4), so a refusal of ours waits for the other end's answers to what was asked
// before it.
#include <algorithm>

#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kAskedMax = 1024;    // without an answer, each way
constexpr std::size_t kForwardsMax = 512;  // that the target listens on
constexpr std::size_t kHostMax = 1025;     // NI_MAXHOST
constexpr std::size_t kPathMax = 4096;

std::string failure() { return std::string(1, static_cast<char>(message::kRequestFailure)); }

}  // namespace

void Connection::global_request(Reader body) {
  std::string_view name;
  bool want_reply;
  if (!body.string(name) || !body.boolean(want_reply)) return violation("a malformed global request");
  if (name.size() > auth::kNameMax) return violation("a global request's name is too long");
  if (want_reply && asked_[index(from_)].size() >= kAskedMax)
    return violation("too many global requests without an answer");
  if (from_ == Side::client) return client_global_request(name, want_reply, body);
  // The client's host key is the gateway's own; the target's is none of its business.
  if (name == "hostkeys-00@openssh.com") return refuse_global(want_reply);
  ask({}, want_reply);
}

void Connection::client_global_request(std::string_view name, bool want_reply, Reader body) {
  if (name == "tcpip-forward") return forward_request(false, false, want_reply, body);
  if (name == "cancel-tcpip-forward") return forward_request(false, true, want_reply, body);
  if (name == "streamlocal-forward@openssh.com") return forward_request(true, false, want_reply, body);
  if (name == "cancel-streamlocal-forward@openssh.com") return forward_request(true, true, want_reply, body);
  if (name == "hostkeys-prove-00@openssh.com") return refuse_global(want_reply);
  ask({}, want_reply);
}

void Connection::forward_request(bool local_socket, bool cancel, bool want_reply, Reader body) {
  std::string_view address;
  std::uint32_t port = 0;
  if (!body.string(address) || (!local_socket && !body.uint32(port)) || !body.at_end())
    return violation("a malformed request to forward");
  if (address.size() > (local_socket ? kPathMax : kHostMax) || port > 65535)
    return violation("a request to forward from an address that cannot be");
  const bool permitted =
      local_socket ? policy_.permitted.unix_forwarding : policy_.permitted.remote_forwarding;
  const bool too_many = !cancel && forwards_.size() + asked_[index(from_)].size() >= kForwardsMax;
  if (!permitted || too_many) {
    refuse_global(want_reply);
    return refused(local_socket ? "unix_forwarding" : "remote_forwarding",
                   local_socket ? std::string(address) : std::string(address) + ':' + std::to_string(port));
  }
  ask({false, cancel ? Asked::For::cancel : Asked::For::forward, {local_socket, std::string(address), port}},
      want_reply);
}

void Connection::refuse_global(bool want_reply) {
  verdict_.action = Verdict::Action::drop;
  if (!want_reply) return;
  auto& asked = asked_[index(from_)];
  if (asked.empty())
    reply(from_, failure());
  else
    asked.push_back({true, Asked::For::other, {}});
}

// It passes. Where no answer is wanted none will say whether it was granted: it is taken to be.
void Connection::ask(Asked asked, bool want_reply) {
  if (want_reply)
    asked_[index(from_)].push_back(std::move(asked));
  else
    granted(asked, Reader({}));
}

void Connection::granted(Asked& asked, Reader body) {
  if (asked.what == Asked::For::other) return;
  Forward& forward = asked.forward;
  if (asked.what == Asked::For::cancel) {
    std::erase(forwards_, forward);
    return;
  }
  if (!forward.local_socket && forward.port == 0 && (!body.uint32(forward.port) || forward.port > 65535))
    return;  // the target was to choose a port, and named none
  if (!was_asked_for(forward)) forwards_.push_back(std::move(forward));
}

bool Connection::was_asked_for(const Forward& forward) const {
  return std::find(forwards_.begin(), forwards_.end(), forward) != forwards_.end();
}

void Connection::global_reply(bool success, Reader body) {
  const Side asker = other(from_);
  auto& asked = asked_[index(asker)];
  if (asked.empty()) return violation("an answer to a global request that nobody made");
  if (success) granted(asked.front(), body);
  asked.pop_front();
  for (; !asked.empty() && asked.front().answered_here; asked.pop_front()) reply(asker, failure());
}

}  // namespace envgate::ssh::session
