#include "control/lifecycle/onward.hpp"

#include <nlohmann/json.hpp>

#include "control/lifecycle/audited.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/secrets/certificate.hpp"
#include "control/store/audit.hpp"
#include "control/store/keeping.hpp"
#include "control/store/now.hpp"
#include "control/store/owners.hpp"

namespace envgate::control {
namespace {

using routing::SshForbid;
using store::Environment;
using store::State;
using store::Transaction;

constexpr std::chrono::minutes kClocksDiffer{2};  // between us and a target, at most

struct Found {
  std::optional<Problem> refused;
  Environment environment;
  std::vector<std::string> host_keys;
  std::optional<secrets::SshKey> authority;  // nothing: the target takes no certificates
  std::string sealed_seed;
  SshPolicy policy;
};

Problem conflict(std::string code, std::string detail) {
  return {409, std::move(code), std::move(detail), {}};
}

std::optional<Problem> refusal(const std::optional<Environment>& e, const std::string& id) {
  if (!e || e->desired == store::Desired::deleted)
    return Problem{404, "not_found", "there is no environment " + id, {}};
  if (!is_audited(*e)) return conflict("not_audited", "environment " + id + " is served in passthrough");
  if (e->state != State::running || e->address.empty())
    return conflict("not_running", "environment " + id + " is " + std::string(store::to_string(e->state)) +
                                       ", and not running");
  if (e->onward_key.empty() || e->login_set < e->login_version || e->login_instance != e->instance)
    return conflict("not_ready", "the login of environment " + id + " is being set: ask again");
  return std::nullopt;
}

// sshd holds the session to what the gateway would, too, as far as a certificate can say it.
std::vector<std::string> extensions_of(const SshPolicy& policy) {
  const auto forbids = [&](SshForbid what) { return (policy.forbid & routing::bit_of(what)) != 0; };
  std::vector<std::string> all{"permit-user-rc"};
  if (!forbids(SshForbid::agent)) all.emplace_back("permit-agent-forwarding");
  if (!forbids(SshForbid::x11)) all.emplace_back("permit-X11-forwarding");
  if (!forbids(SshForbid::pty)) all.emplace_back("permit-pty");
  const bool no_ports = forbids(SshForbid::local_forwarding) && forbids(SshForbid::remote_forwarding) &&
                        forbids(SshForbid::unix_forwarding);
  if (!no_ports) all.emplace_back("permit-port-forwarding");
  return all;
}

Result<Found> look_up(Transaction& t, const secrets::SecretBox& box, const CredentialRequest& asked,
                      const std::string& who) {
  Found found;
  auto e = store::find_environment(t, asked.environment);
  found.refused = refusal(e, asked.environment);
  if (!found.refused) found.host_keys = host_keys_of(t, *e);
  if (!found.refused && found.host_keys.empty())
    found.refused = conflict("not_ready", "the host keys of environment " + asked.environment +
                                              " are not pinned yet: does its ssh server answer?");
  std::string kind;
  if (!found.refused) {
    const bool certificates = e->backend == "physical" || e->ssh_server.starts_with("OpenSSH");
    kind = certificates ? "certificate" : "private_key";
    if (certificates) {
      auto key = authority_key(t, box);
      if (!key) return Failure(key.error());
      found.authority = std::move(*key);
    }
    found.sealed_seed = store::find_sealed(t, e->id, kOnwardKey).value_or("");
    found.policy = stored_policy(*e).ssh.with(stored_owner_policy(store::find_owner(t, e->owner).policy));
    found.environment = std::move(*e);
  }
  const nlohmann::json for_whom = {{"customer", asked.customer},
                                   {"source", asked.source},
                                   {"session", asked.session},
                                   {"credential", kind}};
  store::append_audit(t, {who, "credential", asked.environment, "", write_json(for_whom),
                          found.refused ? found.refused->code : "given"});
  return found;
}

std::string certificate_of(const Found& found, const CredentialRequest& asked) {
  secrets::CertificateRequest request;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  request.public_blob = asked.public_blob;
  request.serial = static_cast<std::uint64_t>(store::now_ms());
  request.key_id =
      "envgate session=" + asked.session + " customer=" + asked.customer + " source=" + asked.source;
  request.principals = {found.environment.id};
  request.valid_after = now - kClocksDiffer;
  request.valid_before = now + kCertificateLife;
  request.force_command = found.policy.force_command;
  request.extensions = extensions_of(found.policy);
  return secrets::make_certificate(*found.authority, std::move(request));
}

}  // namespace

Answer<OnwardCredential> give_credential(store::Database& database, const secrets::SecretBox& box,
                                         const CredentialRequest& asked, const std::string& who) {
  auto found = database.transaction([&](Transaction& t) { return look_up(t, box, asked, who); });
  if (!found) return tl::unexpected(problem_of(found.error()));
  if (found->refused) return tl::unexpected(std::move(*found->refused));
  const Environment& e = found->environment;
  OnwardCredential given{stored_spec(e).ssh_user, "certificate", {}, std::move(found->host_keys)};
  if (found->authority) {
    given.secret = backends::Secret(certificate_of(*found, asked));
    return given;
  }
  const auto seed = box.unseal(found->sealed_seed, secret_owner(e.id, kOnwardKey));
  if (!seed) return refuse(500, "sealed", seed.error().message);
  const auto key = secrets::SshKey::of_seed(*seed);
  if (!key) return refuse(500, "sealed", key.error().message);
  given.kind = "private_key";
  given.secret = key->private_pem("envgate");
  return given;
}

}  // namespace envgate::control
