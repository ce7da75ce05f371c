// What bulk data costs: nothing is allocated for a message of it, however it is looked at. Counted by the
// operator new of this program, in this thread.
#include <gtest/gtest.h>

#include "allocations.hpp"
#include "two_ends.hpp"

namespace envgate::ssh::session {
namespace {

using test::allocations;
using test::msg;
using test::Writer;

constexpr std::uint32_t kMuch = 1u << 31, kPiece = 32768;

class Cost : public test::TwoEnds {
 protected:
  void open(const std::string& request) {
    passes(kClient, request);
    passes(kTarget, msg(91, 1, 101, kMuch, kMuch));
  }
  void open_session() { open(msg(90, "session", 1, kMuch, kMuch)); }

  // Of the hundredth time on: what is kept for use again is there by then.
  template <typename Once>
  std::size_t allocated(Once once) {
    for (int times = 0; times < 100; ++times) once();
    const std::size_t before = allocations();
    for (int times = 0; times < 100; ++times) once();
    return allocations() - before;
  }
  void relayed(Side from, const std::string& payload) {
    if (connection->take(from, payload, now).action != test::Action::pass) ADD_FAILURE() << "not passed";
  }
};

TEST_F(Cost, TheCounterCounts) {
  EXPECT_EQ(allocated([] { ::operator delete(::operator new(8)); }), 100u);
}

TEST_F(Cost, OfAForward) {
  open(msg(90, "direct-tcpip", 1, kMuch, kMuch, "db", 1, "", 0));
  const std::string to_target = data(kClient, 1, std::string(kPiece, 'x'));
  const std::string to_client = data(kTarget, 1, std::string(kPiece, 'x'));
  const std::string adjust = msg(93, 1, kPiece);
  EXPECT_EQ(allocated([&] {
              relayed(kClient, to_target);
              relayed(kTarget, to_client);
              relayed(kTarget, adjust);
            }),
            0u);
}

TEST_F(Cost, OfAScpUpload) {
  open_session();
  passes(kClient, ask(1, "exec", false, "scp -t ."));
  passes(kTarget, data(kTarget, 1, std::string(1, '\0')));
  passes(kClient, data(kClient, 1, "C0644 1000000000 f\n"));
  passes(kTarget, data(kTarget, 1, std::string(1, '\0')));
  const std::string bulk = data(kClient, 1, std::string(kPiece, 'x'));
  EXPECT_EQ(allocated([&] { relayed(kClient, bulk); }), 0u);
}

TEST_F(Cost, OfSftpBothWays) {
  const auto packet = [](std::uint8_t type, const Writer& body) {
    Writer whole;
    whole.byte(type).raw(body.bytes());
    return std::move(Writer().string(whole.bytes())).bytes();
  };
  open_session();
  passes(kClient, ask(1, "subsystem", false, "sftp"));
  passes(kClient, data(kClient, 1, packet(1, Writer().uint32(3))));
  passes(kTarget, data(kTarget, 1, packet(2, Writer().uint32(3))));
  passes(kClient, data(kClient, 1, packet(3, Writer().uint32(1).string("/f").uint32(1 | 2 | 16).uint32(0))));
  passes(kTarget, data(kTarget, 1, packet(102, Writer().uint32(1).string("handle"))));
  std::uint64_t offset = 0;
  std::size_t in_making = 0;
  const std::string bytes(kPiece, 'x');
  const auto relay_piece = [&] {
    const std::size_t before = allocations();
    const std::string write =
        data(kClient, 1,
             packet(6, Writer().uint32(7).string("handle").uint64(offset).string(bytes)) +
                 packet(5, Writer().uint32(8).string("handle").uint64(offset).uint32(kPiece)));
    const std::string answer =
        data(kTarget, 1,
             packet(101, Writer().uint32(7).uint32(0)) + packet(103, Writer().uint32(8).string(bytes)));
    in_making += allocations() - before;
    offset += kPiece;
    relayed(kClient, write);
    relayed(kTarget, answer);
  };
  for (int times = 0; times < 100; ++times) relay_piece();
  const std::size_t before = allocations();
  in_making = 0;
  for (int times = 0; times < 100; ++times) relay_piece();
  EXPECT_EQ(allocations() - before - in_making, 0u);
  passes(kClient, data(kClient, 1, packet(4, Writer().uint32(9).string("handle"))));
  passes(kTarget, data(kTarget, 1, packet(101, Writer().uint32(9).uint32(0))));
  ASSERT_EQ(told<monitor::FileMoved>().size(), 2u);
  EXPECT_EQ(told<monitor::FileMoved>()[0].sha256.size(), 64u);
}

}  // namespace
}  // namespace envgate::ssh::session
