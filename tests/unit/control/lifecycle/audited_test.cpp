// Audited environments: what the route says of them, what their targets know, and what a gateway is given.
#include "control/lifecycle/audited.hpp"

#include "control/lifecycle/codes.hpp"
#include "control/lifecycle/onward.hpp"
#include "control/lifecycle/route_body.hpp"
#include "control/secrets/totp.hpp"
#include "control/secrets/verifier.hpp"
#include "control/store/keeping.hpp"
#include "control/store/owners.hpp"
#include "routing/route_json.hpp"
#include "tests/unit/control/plane.hpp"

namespace envgate::control {
namespace {

using nlohmann::json;
using routing::SshForbid;
using store::State;
using store::Transaction;

class AuditedTest : public test::Plane {
 protected:
  static json audited(const char* name = "n") {
    json wanted = body(name);
    wanted["spec"]["ssh"] = {{"mode", "audited"}, {"keys", {"ssh-ed25519 AAAACUSTOMER"}}};
    return wanted;
  }
  // One that runs.
  std::string running(const json& wanted) {
    if (!reconciler) start_reconciler();
    const std::string id = created(wanted);
    EXPECT_TRUE(becomes(id, State::running));
    return id;
  }
  // As a gateway reads it.
  routing::RouteSpec route(const std::string& id) const {
    auto parsed = routing::parse_route_json(row(id).route);
    EXPECT_TRUE(parsed) << row(id).route;
    return parsed.value_or(routing::RouteSpec{});
  }
  void patched(const std::string& id, const json& patch) {
    const auto done = lifecycle->patch(id, patch, asked_);
    ASSERT_TRUE(done) << told(done.error());
    const std::string operation_id = done->operation.id;
    EXPECT_TRUE(eventually([&] { return operation(operation_id).ended(); }));
  }
  std::string password(const std::string& id) { return lifecycle->access(id, asked_)->password.reveal(); }
  Answer<OnwardCredential> credential(const std::string& id) {
    const std::string blob = secrets::SshKey::make().public_blob();
    return give_credential(*database, *box, {id, blob, "ada", "192.0.2.1", "s1"}, "gateway");
  }
  Asked asked_{"test", "", "", ""};
};

TEST_P(AuditedTest, TheRouteKnowsTheCustomerByAVerifierThatStays) {
  const std::string id = running(audited());
  const auto services = route(id).services;
  ASSERT_EQ(services.ssh_users.size(), 1u);
  const routing::SshUser& user = services.ssh_users[0];
  EXPECT_EQ(user.name, "root");
  EXPECT_TRUE(secrets::verifies(user.verifier, backends::Secret(password(id))));
  EXPECT_EQ(user.authorized_keys, std::vector<std::string>{"ssh-ed25519 AAAACUSTOMER"});
  EXPECT_EQ(services.ssh_host_keys.size(), 1u);
  EXPECT_EQ(services.owner, "ada");
  patched(id, {{"name", "another"}});
  EXPECT_EQ(route(id).services.ssh_users[0].verifier, user.verifier) << "not a new one at each publication";
  ASSERT_TRUE(lifecycle->rotate(id, asked_));
  EXPECT_NE(route(id).services.ssh_users[0].verifier, user.verifier);
  EXPECT_TRUE(secrets::verifies(route(id).services.ssh_users[0].verifier, backends::Secret(password(id))));
}

TEST_P(AuditedTest, PassthroughHasNoneOfIt) {
  const std::string id = running(body());
  EXPECT_TRUE(route(id).services.ssh_users.empty());
  EXPECT_TRUE(route(id).services.ssh_host_keys.empty());
  EXPECT_EQ(row(id).verifier + row(id).onward_key, "");
  EXPECT_EQ(backend->scans, 0);
  EXPECT_EQ(credential(id).error().code, "not_audited");
}

TEST_P(AuditedTest, PassthroughHasTheKeysThatMayJumpToIt) {
  auto wanted = body();
  wanted["spec"]["ssh"] = {{"keys", {"ssh-ed25519 AAAACUSTOMER"}}};
  const auto services = route(running(wanted)).services;
  ASSERT_EQ(services.ssh_users.size(), 1u);
  EXPECT_EQ(services.ssh_users[0].authorized_keys, std::vector<std::string>{"ssh-ed25519 AAAACUSTOMER"});
  EXPECT_EQ(services.ssh_users[0].verifier, "");
}

TEST_P(AuditedTest, TheTargetIsNotOpenedByWhatTheCustomerHas) {
  const std::string id = running(audited());
  EXPECT_NE(backend->password_of(id), "");
  EXPECT_NE(backend->password_of(id), password(id));
  const std::string authority =
      database
          ->read([](Transaction& t) -> Result<std::string> { return store::find_authority(t)->public_key; })
          .value();
  EXPECT_EQ(backend->keys_of(id),
            (std::vector<std::string>{row(id).onward_key,
                                      "cert-authority,principals=\"" + id + "\" " + authority}));
}

TEST_P(AuditedTest, HostKeysArePinnedOnceForEachInstance) {
  const std::string id = running(audited());
  EXPECT_EQ(backend->scans, 1);
  backend->show({{"ssh-ed25519 AAAAELSE"}, "OpenSSH_9.2p1"});
  for (const bool stop : {true, false}) {
    const auto done = stop ? lifecycle->stop(id, asked_) : lifecycle->start(id, asked_);
    ASSERT_TRUE(eventually([&] { return operation(done->operation.id).ended(); }));
  }
  EXPECT_NE(route(id).services.ssh_host_keys.at(0), "ssh-ed25519 AAAAELSE") << "the same instance";
  const auto rebuilt = lifecycle->rebuild(id, "", asked_);
  ASSERT_TRUE(eventually([&] { return operation(rebuilt->operation.id).ended(); }));
  EXPECT_EQ(route(id).services.ssh_host_keys.at(0), "ssh-ed25519 AAAAELSE") << "control has made it anew";
}

TEST_P(AuditedTest, WithoutHostKeysNobodyIsLetInAndTheyAreAskedForAgain) {
  backend->show({});
  const std::string id = running(audited());
  EXPECT_TRUE(route(id).services.ssh_host_keys.empty());
  EXPECT_EQ(credential(id).error().code, "not_ready");
  backend->show({{"ssh-ed25519 AAAALATE"}, "dropbear"});
  ASSERT_TRUE(eventually([&] { return !route(id).services.ssh_host_keys.empty(); }));
  EXPECT_EQ(credential(id)->kind, "private_key");
}

TEST_P(AuditedTest, TheModeIsSwitchedToAndFro) {
  const std::string id = running(body());
  const std::string own = password(id);
  EXPECT_EQ(backend->password_of(id), own);
  patched(id, {{"spec", {{"ssh", {{"mode", "audited"}}}}}});
  EXPECT_NE(backend->password_of(id), own) << "his password is the gateway's to check now";
  EXPECT_EQ(password(id), own);
  EXPECT_EQ(backend->keys_of(id).at(0), row(id).onward_key);
  EXPECT_TRUE(secrets::verifies(route(id).services.ssh_users.at(0).verifier, backends::Secret(own)));
  EXPECT_FALSE(route(id).services.ssh_host_keys.empty());
  EXPECT_TRUE(credential(id));
  patched(id, {{"spec", {{"ssh", {{"mode", "passthrough"}}}}}});
  EXPECT_EQ(backend->password_of(id), own);
  EXPECT_EQ(backend->keys_of(id), std::vector<std::string>{kNoKeys}) << "our key has gone";
  EXPECT_EQ(row(id).onward_key, "");
  EXPECT_TRUE(route(id).services.ssh_users.empty());
  EXPECT_FALSE(database
                   ->read([&](Transaction& t) -> Result<std::optional<std::string>> {
                     return store::find_sealed(t, id, kOnwardKey);
                   })
                   .value());
}

// Before there were gateways for it, the mode was only a word in the spec.
TEST_P(AuditedTest, OneOfAnOlderProgramGetsWhatItLacks) {
  const std::string id = running(audited());
  ASSERT_TRUE(database->transaction([&](Transaction& t) -> Result<void> {
    auto e = store::find_environment(t, id);
    e->verifier.clear();
    forget_onward(t, *e);
    e->host_keys_instance.clear();
    store::update_environment(t, *e);
    return {};
  }));
  reconciler->nudge(id, "docker/local");
  EXPECT_TRUE(eventually([&] { return credential(id).has_value(); }));
  EXPECT_TRUE(secrets::verifies(row(id).verifier, backends::Secret(password(id))));
}

TEST_P(AuditedTest, ACredentialIsForWhatRunsAndInTheAudit) {
  const std::string id = running(audited());
  const auto given = credential(id);
  ASSERT_TRUE(given) << given.error().detail;
  EXPECT_EQ(given->user, "root");
  EXPECT_EQ(given->kind, "certificate");
  EXPECT_TRUE(given->secret.reveal().starts_with("ssh-ed25519-cert-v01@openssh.com AAAA"));
  EXPECT_EQ(given->host_keys, route(id).services.ssh_host_keys);
  const auto stopped = lifecycle->stop(id, asked_);
  ASSERT_TRUE(eventually([&] { return operation(stopped->operation.id).ended(); }));
  EXPECT_EQ(credential(id).error().code, "not_running");
  EXPECT_EQ(credential("nobody").error().status, 404);
  const auto lines = database
                         ->read([&](Transaction& t) -> Result<std::vector<store::AuditEntry>> {
                           return store::list_audit(t, {"gateway", "credential", ""}, 0, false, 10);
                         })
                         .value();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].line.result, "given");
  EXPECT_NE(lines[0].line.after.find(R"("customer":"ada")"), std::string::npos) << lines[0].line.after;
  EXPECT_EQ(lines[1].line.result, "not_running");
  EXPECT_EQ(lines[2].line.result, "not_found");
}

TEST_P(AuditedTest, WhatEitherPolicyForbidsIsForbidden) {
  json wanted = audited();
  wanted["policy"]["ssh"] = {{"forbid", {"x11"}}, {"force_command", "top"}};
  const std::string id = running(wanted);
  EXPECT_EQ(route(id).services.ssh_forbid, routing::bit_of(SshForbid::x11));
  ASSERT_TRUE(database->transaction([&](Transaction& t) -> Result<void> {
    store::Owner owner;
    owner.policy = R"({"ssh":{"forbid":["pty","x11"],"record_input":true,"force_command":"id"}})";
    store::put_owner(t, "ada", owner);
    publish_routes_of(t, "ada");
    return {};
  }));
  const auto services = route(id).services;
  EXPECT_EQ(services.ssh_forbid, routing::bit_of(SshForbid::x11) | routing::bit_of(SshForbid::pty));
  EXPECT_TRUE(services.ssh_record_input);
  EXPECT_EQ(services.ssh_force_command, "id") << "the owner's goes before";
  json wrong = audited();
  wrong["policy"]["ssh"] = {{"forbid", {"x11", "all"}}};
  const auto refused = create(wrong);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errors.at(0).pointer, "/policy/ssh/forbid/1");
}

TEST_P(AuditedTest, KeysOfOwnersOpenWhatIsTheirsAndWhatIsSharedWithThem) {
  json wanted = audited();
  wanted["policy"]["shared_with"] = {"bob"};
  const std::string id = running(wanted);
  const auto add = [&](const std::string& owner, const std::string& key) {
    ASSERT_TRUE(database->transaction([&](Transaction& t) -> Result<void> {
      if (auto added = store::add_owner_key(t, owner, {"SHA256:" + key, key, 1}); !added) return added;
      publish_routes_of(t, owner);
      return {};
    }));
  };
  add("ada", "ssh-ed25519 AAAAADA");
  add("bob", "ssh-ed25519 AAAABOB");
  add("eve", "ssh-ed25519 AAAAEVE");
  const std::vector<std::string> all{"ssh-ed25519 AAAACUSTOMER", "ssh-ed25519 AAAAADA",
                                     "ssh-ed25519 AAAABOB"};
  EXPECT_EQ(route(id).services.ssh_users.at(0).authorized_keys, all);
  patched(id, {{"policy", {{"shared_with", json::array()}}}});
  EXPECT_EQ(route(id).services.ssh_users.at(0).authorized_keys.size(), 2u);
  add("bob", "ssh-ed25519 AAAABOB2");
  EXPECT_EQ(route(id).services.ssh_users.at(0).authorized_keys.size(), 2u) << "not his any more";
}

TEST_P(AuditedTest, OneStartHoweverManyWakeIt) {
  json wanted = audited();
  wanted["policy"]["start"] = "on_demand";
  const std::string id = running(wanted);
  EXPECT_FALSE(route(id).services.wake);
  const auto stopped = lifecycle->stop(id, asked_);
  ASSERT_TRUE(eventually([&] { return operation(stopped->operation.id).ended(); }));
  EXPECT_TRUE(route(id).services.wake);
  std::mutex mutex;
  std::set<std::string> operations;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      const auto waking = lifecycle->wake(id, asked_);
      const std::lock_guard lock(mutex);
      operations.insert(waking && waking->operation ? waking->operation->id : "none");
    });
  threads.clear();
  EXPECT_EQ(operations.size(), 1u);
  EXPECT_EQ(operation(*operations.begin()).kind, "start");
  EXPECT_TRUE(becomes(id, State::running));
  EXPECT_EQ(lifecycle->wake(id, asked_)->environment.state, State::running);
}

TEST_P(AuditedTest, WhatIsStartedByHandIsNotWoken) {
  const std::string id = running(audited());
  const auto stopped = lifecycle->stop(id, asked_);
  ASSERT_TRUE(eventually([&] { return operation(stopped->operation.id).ended(); }));
  EXPECT_FALSE(route(id).services.wake);
  EXPECT_EQ(lifecycle->wake(id, asked_).error().code, "not_on_demand");
  EXPECT_EQ(lifecycle->wake("nobody", asked_).error().status, 404);
}

TEST_P(AuditedTest, ACodeIsGoodOnceAndFewWrongOnesAreTaken) {
  const std::string id = running(audited());
  const long long now = 1'700'000'000;
  const auto check = [&](const std::string& code, long long at) {
    return check_code(*database, *box, id, code, at, "gateway");
  };
  EXPECT_EQ(check("000000", now).error().code, "no_totp");
  const auto secret = turn_codes_on(*database, *box, "ada", "test");
  ASSERT_TRUE(secret);
  EXPECT_TRUE(route(id).services.ssh_users.at(0).totp);
  const auto code = [&](long long at) {
    return *secrets::totp_code(*secret, static_cast<std::uint64_t>(at / 30));
  };
  EXPECT_TRUE(check(code(now), now).value());
  EXPECT_FALSE(check(code(now), now).value()) << "used";
  EXPECT_FALSE(check(code(now - 30), now).value()) << "before one that was used";
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(check("x", now).value());
  EXPECT_EQ(check(code(now + 30), now + 30).error().status, 429);
  EXPECT_TRUE(check(code(now + 600), now + 600).value()) << "later again";
  EXPECT_TRUE(turn_codes_off(*database, "ada", "test").value());
  EXPECT_FALSE(route(id).services.ssh_users.at(0).totp);
  EXPECT_FALSE(turn_codes_off(*database, "ada", "test").value());
}

TEST_P(AuditedTest, ARouteForOthersHasNoVerifier) {
  const std::string id = running(audited());
  const std::string shown = without_verifiers(row(id).route);
  EXPECT_EQ(shown.find("$y$"), std::string::npos);
  EXPECT_EQ(json::parse(shown)["ssh"]["users"][0]["authorized_keys"].size(), 1u);
}

TEST(BoundedKeys, FitIntoARoute) {
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back("key " + std::to_string(i % 80));
  EXPECT_EQ(bounded_keys(many).size(), 64u);
  EXPECT_EQ(bounded_keys({"a", "b", "a"}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(bounded_keys({std::string(40000, 'x'), "b"}), std::vector<std::string>{"b"});
}

INSTANTIATE_TEST_SUITE_P(Databases, AuditedTest, testing::Values("sqlite", "postgres"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace envgate::control
