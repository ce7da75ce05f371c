// /api/owners: what an owner has of his own. What he may have is /api/quotas.
#include "control/store/owners.hpp"

#include "backends/physical/machine.hpp"
#include "backends/words.hpp"
#include "control/api/handling.hpp"
#include "control/lifecycle/codes.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/secrets/ssh_key.hpp"
#include "control/secrets/totp.hpp"
#include "control/store/audit.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

constexpr std::size_t kMostKeys = 16, kMostLine = 4096;

std::optional<Response> bad_owner(const Request& request) {
  if (backends::valid_owner(request.names[0])) return std::nullopt;
  return problem_response({422, "invalid", "the owner is not 1 to 64 of [a-z0-9._-]", {}}, request);
}

json owner_view(const std::string& name, const store::Owner& owner) {
  return {{"owner", name},
          {"policy", {{"ssh", ssh_policy_json(stored_owner_policy(owner.policy))}}},
          {"totp", !owner.totp.empty()}};
}

Response show(Context& context, const Request& request) {
  const std::string& name = request.names[0];
  const auto owner = read(
      context, [&](store::Transaction& t) -> Result<store::Owner> { return store::find_owner(t, name); });
  if (!owner) return problem_response(owner.error(), request);
  return json_response(200, owner_view(name, *owner));
}

Response put_policy(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  if (auto bad = bad_owner(request)) return std::move(*bad);
  Fields f;
  const Place root = Fields::root(*body);
  if (!body->is_object()) f.wrong(root, "is not an object");
  f.object(root, {"ssh"});
  const SshPolicy policy = parse_ssh_policy(f, Fields::member(root, "ssh").value, "/ssh");
  if (!f.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(f.errors)}, request);
  const std::string& name = request.names[0];
  const std::string text = write_json({{"ssh", ssh_policy_json(policy)}});
  const auto owner = write(context, [&](store::Transaction& t) -> Result<store::Owner> {
    store::Owner row = store::find_owner(t, name);
    store::append_audit(t, {request.caller.who, "owner_policy", name, row.policy, text, "done"});
    row.policy = text;
    store::put_owner(t, name, row);
    publish_routes_of(t, name);
    return row;
  });
  if (!owner) return problem_response(owner.error(), request);
  return json_response(200, owner_view(name, *owner));
}

json key_view(const store::OwnerKey& key) {
  return {{"fingerprint", key.fingerprint},
          {"public_key", key.public_key},
          {"created_at", timestamp_of(key.created)}};
}

Response list_keys(Context& context, const Request& request) {
  const auto keys = read(context, [&](store::Transaction& t) -> Result<std::vector<store::OwnerKey>> {
    return store::owner_keys(t, request.names[0]);
  });
  if (!keys) return problem_response(keys.error(), request);
  json answer = {{"keys", json::array()}, {"next", nullptr}};
  for (const store::OwnerKey& key : *keys) answer["keys"].push_back(key_view(key));
  return json_response(200, answer);
}

// One public key, without options: what it may do is the policy's to say. Its comment stays.
std::optional<store::OwnerKey> key_of(std::string line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) line.pop_back();
  const auto plain = backends::physical::public_key(line);
  const auto fingerprint = secrets::fingerprint_of(line);
  if (!plain || !fingerprint || !backends::one_line(line)) return std::nullopt;
  return store::OwnerKey{*fingerprint, std::move(line), store::now_ms()};
}

Response add_key(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  if (auto bad = bad_owner(request)) return std::move(*bad);
  Fields f;
  const Place root = Fields::root(*body), at = Fields::member(root, "public_key");
  std::string line;
  if (!body->is_object()) f.wrong(root, "is not an object");
  f.object(root, {"public_key"});
  f.missing(at);
  f.text(at, kMostLine, line);
  const auto key = key_of(std::move(line));
  if (f.good() && !key) f.wrong(at, "is not one line of a public key, without options before it");
  if (!f.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(f.errors)}, request);
  const std::string& name = request.names[0];
  const auto added = write(context, [&](store::Transaction& t) -> Result<bool> {
    if (store::owner_keys(t, name).size() >= kMostKeys)
      return fail("owner " + name + " has " + std::to_string(kMostKeys) + " keys, and may have no more",
                  store::kConflict);
    if (auto good = store::add_owner_key(t, name, *key); !good) return Failure(good.error());
    publish_routes_of(t, name);
    store::append_audit(t, {request.caller.who, "owner_key_add", name, "", key->public_key, "done"});
    return true;
  });
  if (!added) return problem_response(added.error(), request);
  return json_response(201, key_view(*key));
}

Response remove_key(Context& context, const Request& request) {
  const std::string &name = request.names[0], &fingerprint = request.names[1];
  const auto gone = write(context, [&](store::Transaction& t) -> Result<bool> {
    if (!store::remove_owner_key(t, name, fingerprint))
      return fail("owner " + name + " has no key " + fingerprint, store::kNotFound);
    publish_routes_of(t, name);
    store::append_audit(t, {request.caller.who, "owner_key_remove", name, fingerprint, "", "done"});
    return true;
  });
  if (!gone) return problem_response(gone.error(), request);
  return json_response(200, {{"owner", name}, {"fingerprint", fingerprint}, {"removed", true}});
}

Response totp_on(Context& context, const Request& request) {
  if (auto bad = bad_owner(request)) return std::move(*bad);
  const std::string& name = request.names[0];
  const auto secret = turn_codes_on(context.database, context.box, name, request.caller.who);
  if (!secret) return problem_response(secret.error(), request);
  context.committed();
  Response response =
      json_response(200, {{"owner", name},
                          {"secret", secret->reveal()},  // this once
                          {"uri", secrets::totp_uri(*secret, context.settings.domain, name)}});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response totp_off(Context& context, const Request& request) {
  const std::string& name = request.names[0];
  const auto off = turn_codes_off(context.database, name, request.caller.who);
  if (!off) return problem_response(off.error(), request);
  context.committed();
  if (!*off) return not_found(request, "one-time codes of owner " + name);
  return json_response(200, {{"owner", name}, {"removed", true}});
}

}  // namespace

std::vector<Operation> owner_operations() {
  return {
      {"GET", "/api/owners/{owner}", Role::read, show, "Show an owner's policy, and whether he has codes"},
      {"PUT", "/api/owners/{owner}/policy", Role::admin, put_policy,
       "Set the policy over all environments of an owner"},
      {"GET", "/api/owners/{owner}/keys", Role::read, list_keys, "List an owner's public keys"},
      {"POST", "/api/owners/{owner}/keys", Role::operate, add_key, "Add a public key of an owner"},
      {"DELETE", "/api/owners/{owner}/keys/{fingerprint}", Role::operate, remove_key,
       "Remove a public key of an owner"},
      {"PUT", "/api/owners/{owner}/totp", Role::operate, totp_on,
       "Turn an owner's one-time codes on; the secret is shown this once"},
      {"DELETE", "/api/owners/{owner}/totp", Role::operate, totp_off, "Turn an owner's one-time codes off"},
  };
}

}  // namespace envgate::control::api
