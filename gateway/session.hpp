// What is going on right now, for `envctl gateway sessions` and `kill`: one Session per client connection, on
// the list of the reactor that serves it. Thread: the reactor's; other threads ask through Reactor::post.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/ip.hpp"
#include "gateway/net/stream.hpp"
#include "gateway/relay/relay.hpp"
#include "routing/route.hpp"

namespace envgate::gateway {

enum class Protocol : std::uint8_t { ssh, tcp, ssh_tls, https, http, ssh_audited };
inline constexpr std::size_t kProtocols = 6;
std::string_view to_string(Protocol protocol);

class Sessions;

// Requires: destroyed on the reactor, before the streams that it names.
class Session {
 public:
  Session(Sessions& sessions, Protocol protocol, const Endpoint& client, net::Stream& client_stream);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Ends both sides; the task that serves the session then finds out and ends by itself.
  void kill();

  const std::uint64_t id;  // unique in the process; its low byte is the worker
  Protocol protocol;
  const Endpoint client;
  const loop::Time started;
  routing::RoutePtr route;  // null until it is known; HTTP: of the latest request
  net::Stream* client_stream;
  net::Stream* target_stream = nullptr;
  std::optional<Endpoint> target;  // where its socket is a session process's
  relay::Progress progress;
  std::uint64_t requests = 0;  // HTTP only
  bool killed = false;
  bool busy = true;  // false: an HTTP connection between requests, which a drain may end

 private:
  Sessions& sessions_;
};

class Sessions {
 public:
  explicit Sessions(unsigned worker) : worker_(worker) {}
  std::size_t size() const { return by_id_.size(); }
  Session* find(std::uint64_t id) const;
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [id, session] : by_id_) visit(*session);
  }
  // A part of for_each, so that a long list need not hold up a turn: visits those in `count` hash buckets
  // from `from` on, and returns where to go on, 0 at the end. When buckets() has changed in between, begin
  // again.
  template <typename Visit>
  std::size_t visit_some(std::size_t from, std::size_t count, Visit visit) const {
    const std::size_t end = std::min(by_id_.bucket_count(), from + count);
    for (std::size_t bucket = from; bucket < end; ++bucket)
      for (auto at = by_id_.cbegin(bucket); at != by_id_.cend(bucket); ++at) visit(*at->second);
    return end == by_id_.bucket_count() ? 0 : end;
  }
  std::size_t buckets() const { return by_id_.bucket_count(); }
  static unsigned worker_of(std::uint64_t id) { return static_cast<unsigned>(id & 0xff); }

 private:
  friend class Session;
  unsigned worker_;
  std::uint64_t next_ = 1;
  std::unordered_map<std::uint64_t, Session*> by_id_;
};

}  // namespace envgate::gateway
