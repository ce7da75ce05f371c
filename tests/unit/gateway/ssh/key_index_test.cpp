#include "gateway/ssh/key_index.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "gateway/ssh/auth/base64.hpp"
#include "tests/unit/gateway/ssh/auth/material.hpp"

namespace envgate::ssh {
namespace {

using auth::KeyType;
using auth::PublicKey;
using routing::EnvId;
using routing::RouteChange;
using routing::RoutePtr;
using Lines = std::vector<std::string>;

PublicKey key(KeyType type = KeyType::ed25519) { return auth::test::make_pair(type).key; }
std::string line(const PublicKey& of) {
  return std::string(of.name()) + " " + auth::base64(of.blob()) + " a comment";
}
EnvId env(const char* name) { return *EnvId::parse(name); }

class KeyIndexTest : public testing::Test {
 protected:
  RoutePtr route(const char* name, const std::vector<Lines>& users) {
    routing::RouteSpec spec;
    spec.env = env(name);
    for (const Lines& lines : users) spec.services.ssh_users.push_back({"root", "", lines});
    return routing::Route::make(std::move(spec));
  }
  void become(const char* name, RoutePtr after) {
    RoutePtr& before = routes_[name];
    const RouteChange change{env(name), before, after};
    index_.apply({&change, 1});
    before = after;
  }

  KeyIndex index_;
  std::map<std::string, RoutePtr> routes_;
  const PublicKey a_ = key(), b_ = key(KeyType::ecdsa_p256), c_ = key(KeyType::rsa);
};

TEST_F(KeyIndexTest, KeysOfAllUsersOfAllEnvironments) {
  become("one", route("one", {{line(a_)}, {line(b_)}}));
  become("two", route("two", {{line(b_), line(c_)}}));
  for (const PublicKey* known : {&a_, &b_, &c_}) EXPECT_TRUE(index_.known(known->blob()));
  EXPECT_FALSE(index_.known(key().blob()));
  EXPECT_FALSE(index_.known(""));
  EXPECT_TRUE(index_.authorized(env("one"), a_.blob()));
  EXPECT_TRUE(index_.authorized(env("one"), b_.blob()));
  EXPECT_FALSE(index_.authorized(env("one"), c_.blob()));
  EXPECT_FALSE(index_.authorized(env("two"), a_.blob()));
  EXPECT_TRUE(index_.authorized(env("two"), b_.blob()));
  EXPECT_FALSE(index_.authorized(env("three"), a_.blob()));
  EXPECT_EQ(index_.keys(), 3u);
  EXPECT_EQ(index_.environments(), 2u);
}

TEST_F(KeyIndexTest, AKeyIsKnownWhileAnyAuthorizesIt) {
  become("one", route("one", {{line(a_)}}));
  become("two", route("two", {{line(a_)}}));
  become("one", RoutePtr());
  EXPECT_TRUE(index_.known(a_.blob()));
  EXPECT_FALSE(index_.authorized(env("one"), a_.blob()));
  become("two", route("two", {{line(b_)}}));
  EXPECT_FALSE(index_.known(a_.blob()));
  EXPECT_TRUE(index_.authorized(env("two"), b_.blob()));
  become("two", route("two", {}));
  EXPECT_EQ(index_.keys(), 0u);
  EXPECT_EQ(index_.environments(), 0u);
}

TEST_F(KeyIndexTest, AKeyThatIsThereTwiceGoesAtOnce) {
  become("one", route("one", {{line(a_), line(a_)}, {line(a_)}}));
  EXPECT_EQ(index_.keys(), 1u);
  become("one", route("one", {{line(b_)}}));
  EXPECT_FALSE(index_.known(a_.blob()));
}

TEST_F(KeyIndexTest, OneBatchIsInItsOrder) {
  const RoutePtr first = route("one", {{line(a_)}}), second = route("one", {{line(b_)}});
  const RouteChange changes[] = {{env("one"), {}, first}, {env("one"), first, second}};
  index_.apply(changes);
  EXPECT_FALSE(index_.known(a_.blob()));
  EXPECT_TRUE(index_.known(b_.blob()));
}

TEST_F(KeyIndexTest, LinesThatAreNoKeyAreSkippedAndCounted) {
  become("one",
         route("one", {{"", "# a comment", "ssh-ed25519 AAAA", "command=\"x\" " + line(b_), line(a_)}}));
  EXPECT_TRUE(index_.known(a_.blob()));
  EXPECT_FALSE(index_.known(b_.blob()));
  EXPECT_EQ(index_.keys(), 1u);
  EXPECT_EQ(index_.skipped(), 4u);
}

TEST_F(KeyIndexTest, AnEnvironmentsKeysAreBounded) {
  become("one", route("one", {Lines(KeyIndex::kKeysMax, line(a_)), {line(b_)}}));
  EXPECT_TRUE(index_.known(a_.blob()));
  EXPECT_FALSE(index_.known(b_.blob()));
  EXPECT_EQ(index_.skipped(), 1u);
}

TEST_F(KeyIndexTest, AskedWhileItChanges) {
  become("one", route("one", {{line(a_)}}));
  std::atomic<bool> stop{false}, missed{false};
  std::thread reader([&] {
    while (!stop) missed = missed || !index_.known(a_.blob()) || !index_.authorized(env("one"), a_.blob());
  });
  for (int i = 0; i < 200; ++i) become("one", route("one", {{line(a_), i % 2 == 0 ? line(b_) : line(c_)}}));
  stop = true;
  reader.join();
  EXPECT_FALSE(missed) << "a key that stays was away";
}

}  // namespace
}  // namespace envgate::ssh
