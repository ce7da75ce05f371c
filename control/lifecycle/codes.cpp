#include "control/lifecycle/codes.hpp"

#include "control/lifecycle/lifecycle.hpp"
#include "control/secrets/totp.hpp"
#include "control/store/audit.hpp"
#include "control/store/owners.hpp"

namespace envgate::control {
namespace {

using backends::Secret;
using store::Owner;
using store::Transaction;

constexpr long long kStep = 30;

// What it belongs to, for SecretBox. No environment's id has a blank.
std::string place_of(const std::string& owner) { return "owner " + owner + "/totp"; }

struct Checked {
  std::optional<Problem> refused;
  bool good = false;
};

Result<Checked> check(Transaction& t, const secrets::SecretBox& box, const store::Environment& e,
                      const std::string& code, long long now) {
  Owner owner = store::find_owner(t, e.owner);
  if (owner.totp.empty())
    return Checked{Problem{409, "no_totp", "owner " + e.owner + " has no one-time codes turned on", {}}};
  if (now - owner.totp_since >= std::chrono::seconds(kWrongCodesCounted).count()) owner.totp_wrong = 0;
  if (owner.totp_wrong >= kMostWrongCodes)
    return Checked{Problem{429,
                           "too_many_codes",
                           "too many wrong codes of owner " + e.owner + ": try again in some minutes",
                           {}}};
  const auto secret = box.unseal(owner.totp, place_of(e.owner));
  if (!secret) return Failure(secret.error());
  const auto step = secrets::totp_step(*secret, code, static_cast<std::uint64_t>(now / kStep),
                                       static_cast<std::uint64_t>(owner.totp_step));
  if (step) {
    owner.totp_step = static_cast<long long>(*step);
    owner.totp_wrong = 0;
  } else {
    if (owner.totp_wrong++ == 0) owner.totp_since = now;
  }
  store::put_owner(t, e.owner, owner);
  return Checked{std::nullopt, step.has_value()};
}

}  // namespace

Answer<Secret> turn_codes_on(store::Database& database, const secrets::SecretBox& box,
                             const std::string& owner, const std::string& who) {
  const Secret secret = secrets::make_totp_secret();
  const std::string sealed = box.seal(secret, place_of(owner));
  const auto done = database.transaction([&](Transaction& t) -> Result<void> {
    Owner row = store::find_owner(t, owner);
    row.totp = sealed;
    row.totp_step = row.totp_wrong = row.totp_since = 0;
    store::put_owner(t, owner, row);
    publish_routes_of(t, owner);
    store::append_audit(t, {who, "owner_totp_on", owner, "", "", "done"});
    return {};
  });
  if (!done) return tl::unexpected(problem_of(done.error()));
  return secret;
}

Answer<bool> turn_codes_off(store::Database& database, const std::string& owner, const std::string& who) {
  const auto done = database.transaction([&](Transaction& t) -> Result<bool> {
    Owner row = store::find_owner(t, owner);
    if (row.totp.empty()) return false;
    row.totp.clear();
    store::put_owner(t, owner, row);
    publish_routes_of(t, owner);
    store::append_audit(t, {who, "owner_totp_off", owner, "", "", "done"});
    return true;
  });
  return done ? Answer<bool>(*done) : tl::unexpected(problem_of(done.error()));
}

Answer<bool> check_code(store::Database& database, const secrets::SecretBox& box,
                        const std::string& environment, const std::string& code, long long now,
                        const std::string& who) {
  const auto checked = database.transaction([&](Transaction& t) -> Result<Checked> {
    const auto e = store::find_environment(t, environment);
    if (!e || e->desired == store::Desired::deleted)
      return fail("there is no environment " + environment, store::kNotFound);
    auto result = check(t, box, *e, code, now);
    if (!result) return result;
    const std::string word = result->refused ? result->refused->code : result->good ? "good" : "wrong";
    store::append_audit(t, {who, "totp", environment, "", e->owner, word});
    return result;
  });
  if (!checked) return tl::unexpected(problem_of(checked.error()));
  if (checked->refused) return tl::unexpected(*checked->refused);
  return checked->good;
}

}  // namespace envgate::control
