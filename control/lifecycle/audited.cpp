#include "control/lifecycle/audited.hpp"

#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/secrets/random.hpp"
#include "control/secrets/verifier.hpp"
#include "control/store/keeping.hpp"
#include "control/store/machines.hpp"

namespace envgate::control {
namespace {

using backends::Secret;
using secrets::SecretBox;
using secrets::SshKey;
using store::Environment;
using store::Transaction;

constexpr char kAuthority[] = "ssh_authority", kComment[] = "envgate";

std::string seal_password(const SecretBox& box, const Secret& password, const Environment& e,
                          const char* name) {
  return box.seal(password, secret_owner(e.id, name));
}

// A key and a password for the target's account; the row's part, too.
void make_onward(const SecretBox& box, Environment& e, Credentials& made) {
  const SshKey key = SshKey::make();
  e.onward_key = key.public_line(kComment);
  made.onward_seed = seal_password(box, key.seed(), e, kOnwardKey);
  const Secret password(secrets::PasswordPolicy().make());
  made.target_password = seal_password(box, password, e, kTargetPassword);
}

}  // namespace

std::string secret_owner(const std::string& environment, const char* name) {
  return environment + "/" + name;
}

bool is_audited(const Environment& e) { return stored_spec(e).ssh_mode == routing::SshMode::audited; }

Result<Credentials> make_credentials(const SecretBox& box, Environment& e) {
  Credentials made;
  const Secret password(secrets::PasswordPolicy().make());
  made.password = seal_password(box, password, e, kSshPassword);
  e.verifier.clear();
  if (!is_audited(e)) return made;
  auto verifier = secrets::make_verifier(password);
  if (!verifier) return Failure(verifier.error());
  e.verifier = std::move(*verifier);
  make_onward(box, e, made);
  return made;
}

void keep_credentials(Transaction& t, const std::string& id, const Credentials& made) {
  for (const auto& [name, sealed] :
       {std::pair(kSshPassword, &made.password), std::pair(kTargetPassword, &made.target_password),
        std::pair(kOnwardKey, &made.onward_seed)})
    if (!sealed->empty()) store::put_sealed(t, id, name, *sealed);
}

Result<void> prepare_audited(Transaction& t, const SecretBox& box, Environment& e) {
  if (!is_audited(e)) return {};
  if (e.verifier.empty()) {
    const auto sealed = store::find_sealed(t, e.id, kSshPassword);
    const auto password = box.unseal(sealed.value_or(""), secret_owner(e.id, kSshPassword));
    if (!password) return Failure(password.error());
    auto verifier = secrets::make_verifier(*password);
    if (!verifier) return Failure(verifier.error());
    e.verifier = std::move(*verifier);
  }
  if (!e.onward_key.empty()) return {};
  Credentials made;
  make_onward(box, e, made);
  keep_credentials(t, e.id, made);
  ++e.login_version;
  return {};
}

void forget_onward(Transaction& t, Environment& e) {
  for (const char* name : {kTargetPassword, kOnwardKey}) store::remove_sealed(t, e.id, name);
  e.onward_key.clear();
}

Result<SshKey> authority_key(Transaction& t, const SecretBox& box) {
  const auto known = store::find_authority(t);
  if (known) {
    const auto seed = box.unseal(known->sealed, kAuthority);
    if (!seed) return Failure(seed.error());
    return SshKey::of_seed(*seed);
  }
  SshKey made = SshKey::make();
  store::put_authority(t, {made.public_line(kComment), box.seal(made.seed(), kAuthority)});
  return made;
}

Result<std::string> authority_line(Transaction& t, const SecretBox& box) {
  if (auto known = store::find_authority(t)) return std::move(known->public_key);
  const auto made = authority_key(t, box);
  if (!made) return Failure(made.error());
  return made->public_line(kComment);
}

std::vector<std::string> onward_lines(const Environment& e, const std::string& authority) {
  std::vector<std::string> lines{e.onward_key};
  // dropbear does not know the options, and passes such a line over.
  if (!authority.empty()) lines.push_back("cert-authority,principals=\"" + e.id + "\" " + authority);
  return lines;
}

std::vector<std::string> host_keys_of(Transaction& t, const Environment& e) {
  std::string text = "[]";
  if (e.backend != "physical")
    text = e.host_keys;
  else if (const auto machine = store::machine_of(t, e.id))
    text = machine->host_keys;
  std::vector<std::string> keys;
  for (const auto& key : nlohmann::json::parse(text, nullptr, false))
    if (key.is_string()) keys.push_back(key.get<std::string>());
  return keys;
}

}  // namespace envgate::control
