#include "gateway/session.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <vector>

#include "gateway/net/socket.hpp"

namespace envgate::gateway {
namespace {

class SessionList : public testing::Test {
 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    other_ = Fd(pair[1]);
    ASSERT_TRUE(socket_.open(reactor_, Fd(pair[0])));
  }
  std::unique_ptr<Session> make() {
    return std::make_unique<Session>(sessions_, Protocol::ssh, Endpoint(), socket_);
  }

  loop::Reactor reactor_;
  Fd other_;
  net::Socket socket_;
  Sessions sessions_{7};
};

TEST_F(SessionList, IdsAreUniqueAndNameTheirWorker) {
  const auto a = make(), b = make();
  EXPECT_NE(a->id, b->id);
  EXPECT_EQ(Sessions::worker_of(a->id), 7u);
  EXPECT_EQ(sessions_.find(a->id), a.get());
  EXPECT_EQ(sessions_.find(a->id + 1000 * 256), nullptr);
}

TEST_F(SessionList, VisitingInPartsVisitsEachOnce) {
  std::vector<std::unique_ptr<Session>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(make());
  std::map<std::uint64_t, int> seen;
  std::size_t at = 0, parts = 0;
  do {
    at = sessions_.visit_some(at, 64, [&](const Session& session) { ++seen[session.id]; });
    ++parts;
  } while (at != 0);
  EXPECT_EQ(seen.size(), all.size());
  for (const auto& [id, times] : seen) EXPECT_EQ(times, 1) << id;
  EXPECT_EQ(parts, (sessions_.buckets() + 63) / 64);
}

TEST_F(SessionList, VisitingAnEmptyListEnds) {
  std::size_t at = 0;
  do at = sessions_.visit_some(at, 64, [](const Session&) { FAIL(); });
  while (at != 0);
}

TEST_F(SessionList, GrowthIsSeenByTheNumberOfBuckets) {
  const std::size_t before = sessions_.buckets();
  std::vector<std::unique_ptr<Session>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(make());
  EXPECT_NE(sessions_.buckets(), before);
}

}  // namespace
}  // namespace envgate::gateway
