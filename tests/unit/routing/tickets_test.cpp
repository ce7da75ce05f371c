#include "routing/tickets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "tests/unit/temp_dir.hpp"

namespace envgate::routing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using testing::HasSubstr;

const sys_seconds kNow{seconds(1'800'000'000)};

TicketKey key_of(unsigned char first) {
  TicketKey::Bytes bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(first + i);
  return TicketKey(bytes);
}

const TicketKey kKey = key_of(0);
const EnvId kEnv = *EnvId::parse("6hiflzwte2xnkroq");

// Written by tests/integration/harness/tickets.py's way of signing, which shares no code with this one: key
// 00 to 1f, nonce a0 to af.
constexpr std::string_view kKnownTicket =
    "1.oKGio6SlpqeoqaqrrK2urwAAAABrSdI8Irg2aGlmbHp3dGUyeG5rcm9xCpXIu4SKUjEG2Fm1H9RYCAt8OA5-63HQdmzmeE"
    "Gy5HA";
constexpr std::string_view kKnownCookie =
    "1.oKGio6SlpqeoqaqrrK2urwAAAABrSdI8Irg2aGlmbHp3dGUyeG5rcm9xbBZbCndKDEzi_c1tp0wLeryQVtz2DAV6STB98r"
    "X-Cn4";

TEST(Tickets, SayWhatWasSigned) {
  for (const std::string_view env : {"a", "6hiflzwte2xnkroq", "abcdefghijklmnopqrstuvwxyz012345"})
    for (const std::uint16_t port : {1, 8888, 65535}) {
      const auto ticket =
          verify_ticket(kKey, sign_ticket(kKey, *EnvId::parse(env), port, kNow + minutes(5)), kNow);
      ASSERT_TRUE(ticket) << ticket.error().message;
      EXPECT_EQ(ticket->env.view(), env);
      EXPECT_EQ(ticket->port, port);
      EXPECT_EQ(ticket->expires, kNow + minutes(5));
      EXPECT_TRUE(ticket->opens(*EnvId::parse(env), port));
      EXPECT_FALSE(ticket->opens(*EnvId::parse("other"), port));
      EXPECT_FALSE(ticket->opens(*EnvId::parse(env), 2));
    }
}

TEST(Tickets, AreTheFormatThatOthersSign) {
  const auto ticket = verify_ticket(kKey, kKnownTicket, kNow);
  ASSERT_TRUE(ticket) << ticket.error().message;
  EXPECT_TRUE(ticket->opens(kEnv, 8888));
  EXPECT_EQ(ticket->expires, kNow + minutes(1));
  EXPECT_EQ(ticket->nonce.front(), 0xa0);
  EXPECT_EQ(ticket->nonce.back(), 0xaf);
  EXPECT_TRUE(verify_cookie(kKey, kKnownCookie, kNow));
}

TEST(Tickets, AndCookiesAreNeverTakenForEachOther) {
  EXPECT_EQ(verify_cookie(kKey, kKnownTicket, kNow).error().code, kTicketBad);
  EXPECT_EQ(verify_ticket(kKey, kKnownCookie, kNow).error().code, kTicketBad);
}

TEST(Tickets, AreGoodUntilTheyExpireAndForTenMinutesAtMost) {
  const std::string ticket = sign_ticket(kKey, kEnv, 8888, kNow + minutes(10));
  EXPECT_TRUE(verify_ticket(kKey, ticket, kNow));
  EXPECT_TRUE(verify_ticket(kKey, ticket, kNow + minutes(10) - seconds(1)));
  EXPECT_EQ(verify_ticket(kKey, ticket, kNow + minutes(10)).error().code, kTicketExpired);
  EXPECT_EQ(verify_ticket(kKey, ticket, kNow - seconds(1)).error().code, kTicketTooLong);
  EXPECT_EQ(verify_ticket(kKey, sign_ticket(kKey, kEnv, 1, sys_seconds(seconds(-1))), kNow).error().code,
            kTicketBad);
}

TEST(Cookies, MayLastForDays) {
  const std::string cookie = sign_cookie(kKey, kEnv, 8888, kNow + hours(24 * 30));
  EXPECT_TRUE(verify_cookie(kKey, cookie, kNow));
  EXPECT_FALSE(verify_cookie(kKey, cookie, kNow + hours(24 * 30)));
}

TEST(Tickets, OfAnotherKeyAreRefused) {
  EXPECT_EQ(verify_ticket(key_of(1), kKnownTicket, kNow).error().code, kTicketBad);
}

TEST(Tickets, AreRefusedWithAnyBitChangedByteLeftOutOrAdded) {
  const std::string good(kKnownTicket);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_FALSE(verify_ticket(kKey, changed, kNow)) << i << " " << bit;
    }
    EXPECT_FALSE(verify_ticket(kKey, good.substr(0, i), kNow)) << i;
    std::string longer = good;
    EXPECT_FALSE(verify_ticket(kKey, longer.insert(i, "A"), kNow)) << i;
  }
  const std::string nul(1, '\0');
  for (const std::string& more : {good + "=", good + "A", " " + good, good + " ", good + nul})
    EXPECT_FALSE(verify_ticket(kKey, more, kNow)) << more;
  EXPECT_FALSE(verify_ticket(kKey, "", kNow));
  EXPECT_FALSE(verify_ticket(kKey, "1." + std::string(1 << 20, 'A'), kNow));
}

TEST(Tickets, AreAllDifferentAndFitForAUrlAndACookie) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(sign_ticket(kKey, kEnv, 8888, kNow + minutes(1)));
  EXPECT_EQ(seen.size(), 1000u);
  for (const std::string& text : seen)
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
              std::string::npos);
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(TicketKey, IsMadeOnceAndReadAgain) {
  const test::TempDir dir;
  const std::string path = dir.path("key");
  const auto made = TicketKey::make_file(path);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(mode_of(path), 0640u);
  EXPECT_EQ(std::filesystem::file_size(path), 32u);
  EXPECT_EQ(*TicketKey::read(path), *made);
  EXPECT_EQ(*TicketKey::make_file(path), *made) << "what is there stays";
  const std::filesystem::directory_iterator folder(std::filesystem::path(path).parent_path());
  EXPECT_EQ(std::distance(folder, {}), 1)
      << "no draft is left behind";
  EXPECT_NE(*TicketKey::make_file(dir.path("other")), *made);
  const auto nowhere = TicketKey::make_file(dir.path("no/such/folder"));
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("does its folder exist"));
}

TEST(TicketKey, IsRefusedWithTheRemedy) {
  const test::TempDir dir;
  const auto refusal = [&](const std::string& path) {
    const auto key = TicketKey::read(path);
    return key ? std::string("taken") : key.error().message;
  };
  const std::string missing = dir.path("missing");
  EXPECT_THAT(refusal(missing), HasSubstr("No such file"));
  EXPECT_THAT(refusal(missing), HasSubstr("openssl rand -out " + missing + " 32; chmod 640 " + missing));
  const std::string path = dir.write("key", std::string(32, 'k'));
  for (const mode_t open : {0644u, 0642u, 0641u}) {
    ASSERT_EQ(::chmod(path.c_str(), open), 0);
    EXPECT_THAT(refusal(path), HasSubstr("chmod 640 " + path));
  }
  for (const mode_t closed : {0640u, 0600u, 0400u}) {
    ASSERT_EQ(::chmod(path.c_str(), closed), 0);
    EXPECT_EQ(refusal(path), "taken");
  }
  for (const std::size_t size : {0u, 31u, 33u, 4096u}) {
    dir.write("key", std::string(size, 'k'));
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
    EXPECT_THAT(refusal(path), HasSubstr("exactly 32 bytes")) << size;
  }
  EXPECT_THAT(refusal(dir.path(".")), HasSubstr("is not a file"));
}

}  // namespace
}  // namespace envgate::routing
