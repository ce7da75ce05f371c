#include "gateway/ssh/auth/key_login.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "gateway/ssh/auth/certificate.hpp"
#include "gateway/ssh/auth/signature.hpp"

namespace envgate::ssh::auth {
namespace {

using Judged = tl::expected<Identity, Denied>;

tl::unexpected<Denied> deny(std::string_view reason, std::string text) {
  return tl::unexpected(Denied{reason, std::move(text)});
}

std::string_view reason_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::malformed: return "certificate_malformed";
    case Refusal::nested: return "certificate_nested";
    case Refusal::not_for_users: return "certificate_not_for_users";
    case Refusal::ca_not_trusted: return "certificate_ca_not_trusted";
    case Refusal::bad_signature: return "certificate_bad_signature";
    case Refusal::bad_key_id: return "certificate_bad_key_id";
    case Refusal::no_principals: return "certificate_no_principals";
    case Refusal::wrong_principal: return "certificate_wrong_principal";
    case Refusal::not_yet_valid: return "certificate_not_yet_valid";
    case Refusal::expired: return "certificate_expired";
    case Refusal::options_order: return "certificate_options_order";
    case Refusal::unknown_critical_option: return "certificate_unknown_critical_option";
    case Refusal::bad_option: return "certificate_bad_option";
    case Refusal::source_address: return "certificate_source_address";
    case Refusal::cannot_verify_user: return "certificate_cannot_verify_user";
  }
  CHECK(!"a Refusal that has a reason");
}

tl::unexpected<Denied> deny(const Refused& refused) { return deny(reason_of(refused.reason), refused.text); }

UserauthRequest request_of(const KeyLogin& login) {
  return {.session_id = login.session_id,
          .user = login.user,
          .algorithm = login.algorithm,
          .host_key = login.host_key};
}

bool authorizes(const Account& account, const PublicKey& key) {
  return std::find(account.keys.begin(), account.keys.end(), key) != account.keys.end() ||
         (account.also_authorized && account.also_authorized(key));
}

// Of the account's principals the one that the certificate names; where it names none of them, any, to be
// refused.
std::string_view principal_for(const Account& account, const Certificate& certificate) {
  const auto& named = certificate.principals;
  for (const std::string& principal : account.principals)
    if (std::find(named.begin(), named.end(), principal) != named.end()) return principal;
  return account.principals.empty() ? std::string_view() : account.principals.front();
}

Judged judge_plain(const KeyLogin& login, const Account& account, const SignatureAlgorithm& algorithm) {
  auto key = parse_public_key(login.blob);
  if (!key) return deny("key_not_accepted", key.error().message);
  if (key->type != algorithm.key)
    return deny("key_not_accepted", "the request says " + shown(login.algorithm) +
                                        ", but its key is of the type " + std::string(key->name()));
  if (!authorizes(account, *key))
    return deny("key_not_authorized", "the key " + key->fingerprint() + " is not authorized");
  if (login.is_signed) {
    const auto verified = verify_userauth(request_of(login), *key, login.signature);
    if (!verified) return deny("bad_signature", verified.error().message);
  }
  Identity out = identity_of(login.user, "publickey");
  out.key_blob = key->blob();
  out.fingerprint = key->fingerprint();
  return out;
}

Judged judge_certificate(const KeyLogin& login, const Account& account, const SignatureAlgorithm& algorithm) {
  const auto certificate = parse_certificate(login.blob);
  if (!certificate) return deny(certificate.error());
  if (certificate->key.type != algorithm.key)
    return deny("key_not_accepted", "the request says " + shown(login.algorithm) +
                                        ", but its certificate is of a key of the type " +
                                        std::string(certificate->key.name()));
  auto permissions =
      decide({*certificate, principal_for(account, *certificate), login.peer, login.now, account.trusted});
  if (!permissions) return deny(permissions.error());
  if (login.is_signed) {
    const auto verified =
        verify_userauth(request_of(login), *certificate, login.signature, permissions->presence());
    if (!verified) return deny("bad_signature", verified.error().message);
  }
  Identity out = identity_of(login.user, "certificate");
  out.fingerprint = certificate->key.fingerprint();
  out.key_id = certificate->key_id;
  out.serial = certificate->serial;
  out.permissions = std::move(*permissions);
  return out;
}

Judged judge_by_algorithm(const KeyLogin& login, const Account& account) {
  if (const auto* const plain = signature_algorithm_by_name(login.algorithm))
    return judge_plain(login, account, *plain);
  if (const auto* const certified = signature_algorithm_by_certificate_name(login.algorithm))
    return judge_certificate(login, account, *certified);
  return deny("algorithm_not_accepted", "signatures by " + shown(login.algorithm) + " are not accepted");
}

}  // namespace

Judged judge(const KeyLogin& login, const Account& account) {
  static const Account nobody;
  Judged judged = judge_by_algorithm(login, account.known ? account : nobody);
  if (account.known) return judged;
  // Judged as any other, for the time that it takes; but the operator is told why it can only fail.
  return deny("unknown_user", judged ? "there is no such user" : std::move(judged.error().text));
}

}  // namespace envgate::ssh::auth
