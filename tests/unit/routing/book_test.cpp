#include "routing/book.hpp"

#include <gtest/gtest.h>

#include "base/metrics.hpp"
#include "tests/unit/routing/fixtures.hpp"

namespace envgate::routing {
namespace {

using testing::id;
using testing::spec;
using Outcome = RouteBook::Outcome;

class Book : public ::testing::Test {
 protected:
  Book() : book(table, {AllowedTargets(AllowedTargets::defaults(), {}), PortRange{50000, 59999}, {50443}}) {
    book.settle();
    book.begin_epoch();
  }
  ~Book() override { table.reclaim(); }

  const Route* holder(std::uint16_t port) { return table.port_holder(port); }
  std::string holder_name(std::uint16_t port) { return holder(port) ? holder(port)->env.str() : ""; }
  std::size_t refused(Refusal reason) { return book.refused()[static_cast<std::size_t>(reason)]; }

  RouteTable table;
  RouteBook book;
};

TEST_F(Book, TellsWhatChanged) {
  EXPECT_EQ(book.put(spec("a", "10.0.0.1", 50001)), Outcome::changed);
  EXPECT_EQ(book.put(spec("a", "10.0.0.1", 50001)), Outcome::unchanged);
  EXPECT_EQ(book.put(spec("a", "10.0.0.2", 50001)), Outcome::changed);
  book.remove(id("a"));
  book.remove(id("a"));
  const auto changes = book.take_changes();
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_FALSE(changes[0].before);
  EXPECT_EQ(changes[0].after->address.to_string(), "10.0.0.1");
  EXPECT_EQ(changes[1].before->address.to_string(), "10.0.0.1");
  EXPECT_EQ(changes[1].after->address.to_string(), "10.0.0.2");
  EXPECT_EQ(changes[2].before->address.to_string(), "10.0.0.2");
  EXPECT_FALSE(changes[2].after);
  EXPECT_TRUE(book.take_changes().empty());
}

TEST_F(Book, ALostRecordIsServedFromTheOtherKeysAndWarnedOf) {
  const auto warned = [] {
    const std::string series = R"(envgate_route_refusals_total{reason="record_gone"} )";
    const std::string text = metrics::exposition();
    const auto at = text.find(series);
    return at == text.npos ? 0 : std::stoi(text.substr(at + series.size()));
  };
  const int before = warned();
  book.put(spec("a", "10.0.0.1", 50001, 7));
  EXPECT_EQ(warned(), before);
  EXPECT_EQ(book.put(spec("a", "10.0.0.1", 50001)), Outcome::changed);
  EXPECT_EQ(warned(), before + 1);
  EXPECT_EQ(book.put(spec("a", "10.0.0.2", 50001)), Outcome::changed);
  EXPECT_EQ(warned(), before + 1);
}

TEST_F(Book, RefusesAddressesThatAreNotAllowed) {
  EXPECT_EQ(book.put(spec("a", "8.8.8.8", 50001)), Outcome::refused);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(holder(50001), nullptr);
  EXPECT_EQ(refused(Refusal::address), 1u);
  EXPECT_EQ(book.put(spec("b", "10.0.0.1", 50001)), Outcome::changed);  // not held up by the refused one
  book.put(spec("a", "10.0.0.2"));
  EXPECT_EQ(refused(Refusal::address), 0u);
  EXPECT_NE(table.find(id("a")), nullptr);
}

TEST_F(Book, AnEnvironmentThatDoesNotRunNeedsNoAddress) {
  RouteSpec stopped = spec("a", "::", 50022, 1);
  stopped.state = State::stopped;
  EXPECT_EQ(book.put(stopped), Outcome::changed);
  EXPECT_EQ(holder_name(50022), "a");
  EXPECT_EQ(refused(Refusal::address), 0u);
  stopped.generation = 2;
  stopped.address = IpAddress::parse("8.8.8.8").value();  // one that is named is judged all the same
  EXPECT_EQ(book.put(stopped), Outcome::refused);
  EXPECT_EQ(book.put(spec("a", "::", 50022, 3)), Outcome::refused);
}

TEST_F(Book, ARouteThatTurnsBadIsNoLongerServed) {
  book.put(spec("a", "10.0.0.1", 50001));
  book.put(spec("b", "10.0.0.2", 50002));
  EXPECT_EQ(book.put(spec("a", "127.0.0.1", 50001)), Outcome::refused);
  EXPECT_EQ(table.find(id("a")), nullptr);
  book.refuse(id("b"), Refusal::invalid, "b is bad");
  EXPECT_EQ(table.find(id("b")), nullptr);
  EXPECT_EQ(refused(Refusal::invalid), 1u);
  EXPECT_EQ(holder(50001), nullptr);
  book.remove(id("b"));
  EXPECT_EQ(refused(Refusal::invalid), 0u);
}

TEST_F(Book, TheOlderKeepsAPortAndTheNewerLosesOnlyThat) {
  book.put(spec("old", "10.0.0.1", 50001));
  EXPECT_EQ(book.put(spec("new", "10.0.0.2", 50001)), Outcome::changed);
  EXPECT_EQ(holder_name(50001), "old");
  const Route* loser = table.find(id("new"));
  ASSERT_NE(loser, nullptr);  // over https it is still there
  EXPECT_EQ(loser->ssh.listen_port, 0);
  EXPECT_TRUE(loser->port_refused);
  EXPECT_EQ(refused(Refusal::port_clash), 1u);
  EXPECT_EQ(book.put(spec("new", "10.0.0.2", 50001)), Outcome::unchanged);
  EXPECT_EQ(book.put(spec("old", "10.0.0.9", 50001)),
            Outcome::changed);  // a change does not cost it the port
  EXPECT_EQ(holder_name(50001), "old");
}

TEST_F(Book, AFreedPortGoesToWhoWaitsLongest) {
  book.put(spec("a", "10.0.0.1", 50001));
  book.put(spec("b", "10.0.0.2", 50001));
  book.put(spec("c", "10.0.0.3", 50001));
  book.take_changes();
  book.remove(id("a"));
  const auto changes = book.take_changes();
  EXPECT_EQ(holder_name(50001), "b");
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[1].id, id("b"));
  EXPECT_EQ(changes[1].after->ssh.listen_port, 50001);
  EXPECT_EQ(refused(Refusal::port_clash), 1u);
  book.put(spec("b", "10.0.0.2", 50009));
  book.take_changes();
  EXPECT_EQ(holder_name(50001), "c");
  EXPECT_EQ(holder_name(50009), "b");
  EXPECT_EQ(refused(Refusal::port_clash), 0u);
}

TEST_F(Book, TwoMaySwapPorts) {
  book.put(spec("a", "10.0.0.1", 50001));
  book.put(spec("b", "10.0.0.2", 50002));
  book.put(spec("a", "10.0.0.1", 50002));
  book.put(spec("b", "10.0.0.2", 50001));
  book.take_changes();
  EXPECT_EQ(holder_name(50001), "b");
  EXPECT_EQ(holder_name(50002), "a");
  EXPECT_EQ(refused(Refusal::port_clash), 0u);
}

TEST_F(Book, TcpPortsClashToo) {
  RouteSpec desktop = spec("vm", "10.0.0.1", 50001);
  desktop.services.tcp = {{50002, 3389, "rdp"}, {50003, 5900, "vnc"}};
  book.put(spec("a", "10.0.0.2", 50003));
  book.put(desktop);
  book.put(spec("b", "10.0.0.3", 50002));
  EXPECT_EQ(holder_name(50001), "vm");
  EXPECT_EQ(holder_name(50002), "vm");
  EXPECT_EQ(holder_name(50003), "a");
  EXPECT_EQ(table.find(id("vm"))->services().tcp.size(), 1u);
  book.remove(id("a"));
  book.take_changes();
  EXPECT_EQ(holder_name(50003), "vm");
  EXPECT_EQ(table.find(id("vm"))->services().tcp.size(), 2u);
}

TEST_F(Book, PortsOutsideTheRangeAndTheGatewaysOwn) {
  book.put(spec("a", "10.0.0.1", 49999));
  book.put(spec("b", "10.0.0.2", 50443));
  EXPECT_EQ(holder(49999), nullptr);
  EXPECT_EQ(holder(50443), nullptr);
  EXPECT_EQ(refused(Refusal::port_range), 1u);
  EXPECT_EQ(refused(Refusal::port_reserved), 1u);
  book.set_policy({AllowedTargets(AllowedTargets::defaults(), {}), std::nullopt, {}});
  EXPECT_EQ(holder_name(49999), "a");
  EXPECT_EQ(holder_name(50443), "b");
}

TEST_F(Book, APolicyIsAppliedToWhatIsThere) {
  book.put(spec("a", "10.0.0.1", 50001));
  book.put(spec("b", "127.0.0.1", 50002));
  book.take_changes();
  book.set_policy({AllowedTargets({*Cidr::parse("127.0.0.0/8")}, {}), PortRange{50000, 59999}, {}});
  EXPECT_EQ(table.find(id("a")), nullptr);
  ASSERT_NE(table.find(id("b")), nullptr);
  EXPECT_EQ(book.take_changes().size(), 2u);
  EXPECT_EQ(refused(Refusal::address), 1u);
}

TEST_F(Book, AnOlderGenerationNeverReplacesANewer) {
  book.put(spec("a", "10.0.0.5", 50001, 5));
  EXPECT_EQ(book.put(spec("a", "10.0.0.4", 50001, 4)), Outcome::unchanged);
  EXPECT_EQ(table.find(id("a"))->address.to_string(), "10.0.0.5");
  EXPECT_EQ(book.put(spec("a", "10.0.0.6", 50001, 6)), Outcome::changed);
  book.begin_pass();  // the same connection, a routine look at everything
  EXPECT_EQ(book.put(spec("a", "10.0.0.4", 50001, 4)), Outcome::unchanged);
  book.begin_epoch();  // another connection: perhaps a server restored from a backup
  EXPECT_EQ(book.put(spec("a", "10.0.0.4", 50001, 4)), Outcome::changed);
  EXPECT_EQ(book.put(spec("a", "10.0.0.3", 50001, 3)), Outcome::unchanged);
  book.remove(id("a"));
  EXPECT_EQ(book.put(spec("a", "10.0.0.1", 50001, 1)), Outcome::changed);
}

TEST_F(Book, TheSeedsKeysHaveNoGeneration) {
  book.put(spec("a", "10.0.0.5", 50001, 5));
  EXPECT_EQ(book.put(spec("a", "10.0.0.6", 50001, 0)), Outcome::changed);
}

TEST_F(Book, APassShowsWhatItDidNotSee) {
  book.put(spec("a", "10.0.0.1"));
  book.put(spec("b", "10.0.0.2"));
  book.put(spec("c", "8.8.8.8"));
  book.refuse(id("d"), Refusal::invalid, "bad");
  EXPECT_EQ(book.seen_count(), 2u);
  book.begin_pass();
  EXPECT_EQ(book.seen_count(), 0u);
  book.put(spec("a", "10.0.0.1"));
  EXPECT_TRUE(book.seen(id("a")));
  EXPECT_FALSE(book.seen(id("b")));
  EXPECT_EQ(book.seen_count(), 1u);
  EXPECT_EQ(book.unseen().size(), 3u);
  book.put(spec("c", "8.8.8.8"));
  book.refuse(id("d"), Refusal::invalid, "bad");
  EXPECT_EQ(book.unseen(), std::vector<EnvId>{id("b")});
}

// A cold start reads in an order that means nothing: then `created`, and failing that the id, settles it.
TEST(BookColdStart, TheEarlierCreatedGetsThePort) {
  for (const bool first : {true, false}) {
    RouteTable table;
    RouteBook book(table, {AllowedTargets(AllowedTargets::defaults(), {}), {}, {}});
    book.begin_epoch();
    RouteSpec early = spec("early", "10.0.0.1", 50001), late = spec("late", "10.0.0.2", 50001);
    early.created = 1000;
    late.created = 2000;
    book.put(first ? early : late);
    book.put(first ? late : early);
    book.take_changes();
    EXPECT_EQ(table.port_holder(50001)->env, id("early"));
    EXPECT_EQ(table.find(id("late"))->ssh.listen_port, 0);
    book.settle();
    RouteSpec earliest = spec("earliest", "10.0.0.3", 50001);
    earliest.created = 1;
    book.put(earliest);
    book.take_changes();
    EXPECT_EQ(table.port_holder(50001)->env, id("early"));  // in use by now: nothing takes it away
    table.reclaim();
  }
}

TEST(BookColdStart, ASnapshotsHoldersKeepTheirPorts) {
  RouteTable table;
  RouteBook book(table, {AllowedTargets(AllowedTargets::defaults(), {}), {}, {}});
  RouteSpec held = spec("held", "10.0.0.1", 50001), other = spec("another", "10.0.0.2", 50001);
  held.created = 2000;
  other.created = 1000;
  book.put(held);  // the snapshot
  book.put(other);
  const auto order = book.declared_routes();
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(order[0]->env, id("held"));
  EXPECT_EQ(order[1]->ssh.listen_port, 50001);  // as declared, not as served
  book.begin_epoch();
  book.put(other);
  book.put(held);
  book.take_changes();
  EXPECT_EQ(table.port_holder(50001)->env, id("held"));
  table.reclaim();
}

}  // namespace
}  // namespace envgate::routing
