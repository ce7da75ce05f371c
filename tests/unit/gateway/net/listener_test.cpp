#include "gateway/net/listener.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/unit/gateway/loop/run_until.hpp"

namespace envgate::net {
namespace {

Endpoint loopback(std::uint16_t port = 0) { return {*IpAddress::parse("127.0.0.1"), port}; }

Fd dial(const Endpoint& to) {
  sockaddr_storage address;
  const socklen_t size = to.to_sockaddr(address);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) fd.reset();
  return fd;
}

TEST(Listener, AcceptsUntilThereIsNobodyLeft) {
  auto bound = bind_listener(loopback(), {});
  ASSERT_TRUE(bound) << bound.error().message;
  const Endpoint at = *local_endpoint(bound->get());
  loop::Reactor reactor;
  Listener listener;
  ASSERT_TRUE(listener.open(reactor, std::move(*bound)));
  const Fd first = dial(at), second = dial(at);
  Accepted accepted;
  EXPECT_EQ(listener.accept(accepted), Listener::Outcome::accepted);
  EXPECT_EQ(accepted.peer.address.to_string(), "127.0.0.1");
  EXPECT_EQ(listener.accept(accepted), Listener::Outcome::accepted);
  EXPECT_EQ(listener.accept(accepted), Listener::Outcome::none);
}

TEST(Listener, TheWildcardOfBothFamiliesIsServedByOneSocket) {
  auto bound = bind_listener({*IpAddress::parse("::"), 0}, {});
  ASSERT_TRUE(bound) << bound.error().message;
  const std::uint16_t port = local_endpoint(bound->get())->port;
  loop::Reactor reactor;
  Listener listener;
  ASSERT_TRUE(listener.open(reactor, std::move(*bound)));
  const Fd client = dial(loopback(port));
  Accepted accepted;
  ASSERT_EQ(listener.accept(accepted), Listener::Outcome::accepted);
  EXPECT_EQ(accepted.peer.address.to_string(), "127.0.0.1");  // not ::ffff:127.0.0.1
}

TEST(Listener, APortInUseIsAnErrorThatNamesIt) {
  const auto first = bind_listener(loopback(), {});
  const Endpoint at = *local_endpoint(first->get());
  const auto second = bind_listener(at, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EADDRINUSE);
  EXPECT_THAT(second.error().message, testing::HasSubstr("127.0.0.1:" + std::to_string(at.port)));
}

TEST(Listener, ReactorsMayShareAPort) {
  const auto first = bind_listener(loopback(), {.reuse_port = true});
  const auto second = bind_listener(*local_endpoint(first->get()), {.reuse_port = true});
  EXPECT_TRUE(second) << second.error().message;
}

}  // namespace
}  // namespace envgate::net
