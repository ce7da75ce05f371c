#include "gateway/admin/sessions.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "gateway/admin/ask_workers.hpp"

namespace envgate::admin {
namespace {

using gateway::Session;
using gateway::Worker;

constexpr std::size_t kBucketsPerTurn = 512;  // about 0.1 ms
constexpr int kMostRestarts = 8;

std::optional<Endpoint> peer_of(net::Stream* stream) {
  auto* const socket = dynamic_cast<net::Socket*>(stream);
  if (!socket || !socket->is_open()) return std::nullopt;
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getpeername(socket->fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return std::nullopt;
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return std::nullopt;
  return Endpoint::from_sockaddr(address);
}

SessionFacts facts_of(const Session& session) {
  return {session.id,
          session.protocol,
          session.busy,
          session.client,
          session.route,
          session.target ? session.target : peer_of(session.target_stream),
          session.progress.to_target,
          session.progress.to_client,
          session.requests,
          session.started};
}

bool wanted(const Session& session, const SessionFilter& filter) {
  if (filter.protocol && session.protocol != *filter.protocol) return false;
  return !filter.env || (session.route && session.route->env == *filter.env);
}

// How far one worker's list has been read. The list is a hash table: when it grows, everything is elsewhere,
// and reading it begins anew.
struct Cursor {
  std::size_t next = 0, buckets = 0;
  bool finished = false;
};

struct Batch {
  Cursor cursor;
  bool restarted = false;
  std::vector<SessionFacts> found;
};

Batch read_some(const Worker& worker, const Cursor& from, const SessionFilter& filter) {
  const gateway::Sessions& sessions = worker.sessions;
  Batch batch;
  batch.cursor.buckets = sessions.buckets();
  batch.restarted = from.next != 0 && from.buckets != batch.cursor.buckets;
  batch.cursor.next =
      sessions.visit_some(batch.restarted ? 0 : from.next, kBucketsPerTurn, [&](const Session& session) {
        if (wanted(session, filter)) batch.found.push_back(facts_of(session));
      });
  batch.cursor.finished = batch.cursor.next == 0;
  return batch;
}

// What has been read of one worker.
struct Reading {
  Cursor cursor;
  int restarts = 0;
  std::vector<SessionFacts> found;

  void take(std::optional<Batch> batch) {
    if (cursor.finished) return;
    if (!batch || (batch->restarted && ++restarts > kMostRestarts)) {
      cursor.finished = true;  // it does not answer, or grows faster than it can be read
      return;
    }
    if (batch->restarted) found.clear();
    cursor = batch->cursor;
    std::move(batch->found.begin(), batch->found.end(), std::back_inserter(found));
  }
};

}  // namespace

std::vector<SessionFacts> collect_sessions(const gateway::Workers& workers, const SessionFilter& filter) {
  std::vector<Reading> readings(workers.size());
  for (bool all = false; !all;) {
    std::vector<Cursor> cursors;
    for (const Reading& reading : readings) cursors.push_back(reading.cursor);
    auto batches = ask_workers<Batch>(workers, [cursors, filter](Worker& worker) {
      const Cursor& cursor = cursors[worker.index];
      return cursor.finished ? Batch() : read_some(worker, cursor, filter);
    });
    all = true;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      readings[i].take(std::move(batches[i]));
      all = all && readings[i].cursor.finished;
    }
  }
  std::vector<SessionFacts> out;
  for (Reading& reading : readings)
    std::move(reading.found.begin(), reading.found.end(), std::back_inserter(out));
  return out;
}

Kill kill_session(const gateway::Workers& workers, std::uint64_t id) {
  const unsigned index = gateway::Sessions::worker_of(id);
  if (index >= workers.size()) return Kill::unknown;
  const auto answers = ask_workers<bool>(workers, [id, index](Worker& worker) {
    Session* const session = worker.index == index ? worker.sessions.find(id) : nullptr;
    if (session) session->kill();
    return session != nullptr;
  });
  if (!answers[index]) return Kill::unanswered;
  return *answers[index] ? Kill::done : Kill::unknown;
}

}  // namespace envgate::admin
