#include "gateway/used_tickets.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace envgate::gateway {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Use = UsedTickets::Use;

const std::chrono::sys_seconds kNow{seconds(1'800'000'000)};

routing::Ticket ticket(unsigned number, std::chrono::sys_seconds expires = kNow + minutes(5)) {
  routing::Ticket out;
  std::memcpy(out.nonce.data() + 4, &number, sizeof(number));
  out.expires = expires;
  return out;
}

TEST(UsedTickets, EachOpensOnceUntilItExpires) {
  UsedTickets used;
  EXPECT_EQ(used.use(ticket(1), kNow), Use::first);
  EXPECT_EQ(used.use(ticket(1), kNow), Use::again);
  EXPECT_EQ(used.use(ticket(2), kNow), Use::first);
  EXPECT_EQ(used.use(ticket(1), kNow + minutes(5) - seconds(1)), Use::again);
  EXPECT_EQ(used.remembered(), 2u);
  EXPECT_EQ(used.use(ticket(3, kNow + minutes(11)), kNow + minutes(10)), Use::first);
  EXPECT_EQ(used.remembered(), 1u) << "what has expired is forgotten";
}

TEST(UsedTickets, AreBoundedAndNoneIsForgottenForANewOne) {
  UsedTickets used(2);
  EXPECT_EQ(used.use(ticket(1, kNow + seconds(10)), kNow), Use::first);
  EXPECT_EQ(used.use(ticket(2), kNow), Use::first);
  EXPECT_EQ(used.use(ticket(3), kNow + seconds(1)), Use::full);
  EXPECT_EQ(used.use(ticket(1, kNow + seconds(10)), kNow + seconds(2)), Use::again);
  EXPECT_EQ(used.use(ticket(3), kNow + seconds(9)), Use::full);
  EXPECT_EQ(used.use(ticket(3), kNow + seconds(10)), Use::first);
  EXPECT_EQ(used.use(ticket(2), kNow + seconds(10)), Use::again);
}

TEST(UsedTickets, OfManyThreadsOneIsTheFirst) {
  UsedTickets used;
  std::atomic<int> firsts{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (unsigned number = 0; number < 1000; ++number)
        if (used.use(ticket(number), kNow) == Use::first) ++firsts;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(firsts, 1000);
}

}  // namespace
}  // namespace envgate::gateway
