#include <gtest/gtest.h>

#include "routing/redis/reads.hpp"
#include "routing/redis/url.hpp"

namespace envgate::routing::redis {
namespace {

TEST(RedisUrl, Reads) {
  const auto plain = Url::parse("redis://cache.internal");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "cache.internal");
  EXPECT_EQ(plain->port, 6379);
  EXPECT_EQ(plain->db, 0u);
  EXPECT_EQ(plain->shown(), "redis://cache.internal:6379/0");
  const auto full = Url::parse("redis://gate%3away:p%40ss:w%2Frd@[::1]:7000/3");
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->user, "gate:way");
  EXPECT_EQ(full->password, "p@ss:w/rd");
  EXPECT_EQ(full->host, "::1");
  EXPECT_EQ(full->port, 7000);
  EXPECT_EQ(full->db, 3u);
  EXPECT_EQ(full->shown(), "redis://[::1]:7000/3");
  const auto secret = Url::parse("redis://:secret@127.0.0.1:6380/");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->user, "");
  EXPECT_EQ(secret->password, "secret");
  const auto socket = Url::parse("unix:///run/redis/redis.sock?db=2");
  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->path, "/run/redis/redis.sock");
  EXPECT_EQ(socket->db, 2u);
}

TEST(RedisUrl, RefusesWithoutRepeatingASecret) {
  for (const char* bad :
       {"", "redis:", "redis://", "http://h", "redis://h:0", "redis://h:99999", "redis://h:x", "redis://h/x",
        "redis://SECRET@h", "redis://u:SECRET%4@h", "redis://:SECRET%zz@h", "redis://[::1", "redis://[::1]x",
        "rediss://u:SECRET@h", "unix://relative", "unix:///s?x=1", "redis://:SECRET@"}) {
    const auto url = Url::parse(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().message.find("SECRET"), std::string::npos);
  }
}

TEST(RedisKeys, OnlyTheFiveOfAnEnvironment) {
  EXPECT_EQ(parse_key("env:demo:ip")->env.view(), "demo");
  EXPECT_TRUE(parse_key("env:demo:ip")->locates);
  EXPECT_TRUE(parse_key("env:demo:route")->locates);
  for (const char* other : {"env:demo:ssh_port", "env:demo:type", "env:demo:access_info"}) {
    ASSERT_TRUE(parse_key(other)) << other;
    EXPECT_FALSE(parse_key(other)->locates);
  }
  for (const char* bad : {"", "env:", "env:demo", "env:demo:", "env::ip", "env:Demo:ip", "env:demo:ipx",
                          "env:demo:a:ip", "ENV:demo:ip", "xenv:demo:ip", "env:demo:password"}) {
    EXPECT_FALSE(parse_key(bad)) << bad;
  }
}

}  // namespace
}  // namespace envgate::routing::redis
