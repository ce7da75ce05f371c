#include "gateway/ssh/auth/certificate.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace envgate::ssh::auth {
namespace {

tl::unexpected<Refused> malformed(std::string text) {
  return tl::unexpected(Refused{Refusal::malformed, std::move(text)});
}

bool is_text(std::string_view text) { return text.find('\0') == text.npos; }

bool read_principals(std::string_view packed, std::vector<std::string>& out) {
  for (Reader reader(packed); !reader.at_end();) {
    std::string_view principal;
    if (out.size() == kPrincipalsMax || !reader.string(principal)) return false;
    if (principal.empty() || !is_text(principal)) return false;
    out.emplace_back(principal);
  }
  return true;
}

bool read_options(std::string_view packed, std::vector<CertificateOption>& out) {
  for (Reader reader(packed); !reader.at_end();) {
    std::string_view option, data;
    if (out.size() == kOptionsMax || !reader.string(option) || !reader.string(data)) return false;
    if (option.empty() || !is_text(option)) return false;
    out.push_back({std::string(option), std::string(data)});
  }
  return true;
}

std::string packed(const std::vector<CertificateOption>& options) {
  Writer writer;
  for (const CertificateOption& option : options) writer.string(option.name).string(option.data);
  return std::move(writer).bytes();
}

// All between the key and the CA.
tl::expected<void, Refused> read_claims(Reader& reader, Certificate& out) {
  std::string_view key_id, principals, critical, extensions, reserved;
  if (!reader.uint64(out.serial) || !reader.uint32(out.kind) || !reader.string(key_id) ||
      !reader.string(principals) || !reader.uint64(out.valid_after) || !reader.uint64(out.valid_before) ||
      !reader.string(critical) || !reader.string(extensions) || !reader.string(reserved))
    return malformed("the certificate is cut short");
  if (!read_principals(principals, out.principals))
    return malformed("the certificate's principals are not a list of at most " +
                     std::to_string(kPrincipalsMax) + " names");
  if (!read_options(critical, out.critical_options) || !read_options(extensions, out.extensions))
    return malformed("the certificate's options are not a list of at most " + std::to_string(kOptionsMax) +
                     " names and values");
  out.key_id = key_id;
  out.reserved = reserved;
  return {};
}

tl::expected<void, Refused> read_issuer(Reader& reader, Certificate& out) {
  std::string_view ca_blob, signature_blob, ca_type;
  if (!reader.string(ca_blob) || !reader.string(signature_blob))
    return malformed("the certificate is cut short");
  if (Reader of_ca(ca_blob); of_ca.string(ca_type) && key_type_by_certificate_name(ca_type) != nullptr)
    return tl::unexpected(
        Refused{Refusal::nested, "the key that signed the certificate is itself a certificate"});
  auto ca = parse_public_key(ca_blob);
  if (!ca) return malformed("the key that signed the certificate: " + ca.error().message);
  auto signature = parse_signature(signature_blob);
  if (!signature) return malformed("the certificate's signature: " + signature.error().message);
  out.ca = std::move(*ca);
  out.signature = std::move(*signature);
  return {};
}

}  // namespace

std::string_view name(Refusal refusal) {
  switch (refusal) {
    case Refusal::malformed: return "malformed";
    case Refusal::nested: return "nested";
    case Refusal::not_for_users: return "not_for_users";
    case Refusal::ca_not_trusted: return "ca_not_trusted";
    case Refusal::bad_signature: return "bad_signature";
    case Refusal::bad_key_id: return "bad_key_id";
    case Refusal::no_principals: return "no_principals";
    case Refusal::wrong_principal: return "wrong_principal";
    case Refusal::not_yet_valid: return "not_yet_valid";
    case Refusal::expired: return "expired";
    case Refusal::options_order: return "options_order";
    case Refusal::unknown_critical_option: return "unknown_critical_option";
    case Refusal::bad_option: return "bad_option";
    case Refusal::source_address: return "source_address";
    case Refusal::cannot_verify_user: return "cannot_verify_user";
  }
  CHECK(!"a Refusal that has a name");
}

std::string Certificate::signed_part() const {
  Writer principal_list;
  for (const std::string& principal : principals) principal_list.string(principal);
  Writer writer;
  writer.string(facts(key.type).certificate_name).string(nonce);
  write_key_fields(writer, key);
  writer.uint64(serial).uint32(kind).string(key_id).string(principal_list.bytes());
  writer.uint64(valid_after).uint64(valid_before);
  writer.string(packed(critical_options)).string(packed(extensions)).string(reserved).string(ca.blob());
  return std::move(writer).bytes();
}

std::string Certificate::blob() const { return Writer().raw(signed_part()).string(signature.blob()).bytes(); }

tl::expected<Certificate, Refused> parse_certificate(std::string_view blob) {
  if (blob.size() > kCertificateMax)
    return malformed("the certificate has more than " + std::to_string(kCertificateMax) + " bytes");
  Reader reader(blob);
  std::string_view type, nonce;
  if (!reader.string(type)) return malformed("the certificate is cut short before its type");
  const KeyTypeFacts* const of_type = key_type_by_certificate_name(type);
  if (of_type == nullptr) return malformed("certificates of the type " + shown(type) + " are not accepted");
  if (!reader.string(nonce)) return malformed("the certificate is cut short");
  auto key = read_key_fields(reader, of_type->type);
  if (!key) return malformed("the certificate's key: " + key.error().message);
  Certificate out;
  out.key = std::move(*key);
  out.nonce = nonce;
  if (auto read = read_claims(reader, out); !read) return tl::unexpected(std::move(read.error()));
  if (auto read = read_issuer(reader, out); !read) return tl::unexpected(std::move(read.error()));
  if (!reader.at_end())
    return malformed(std::to_string(reader.rest().size()) + " bytes follow the certificate");
  return out;
}

Result<void> verify_userauth(const UserauthRequest& request, const Certificate& certificate,
                             std::string_view signature, Presence presence) {
  const auto parsed = parse_signature(signature);
  if (!parsed) return tl::unexpected(parsed.error());
  if (request.algorithm != parsed->algorithm->certificate_name)
    return fail("the request says " + shown(request.algorithm) + ", but its signature is by " +
                std::string(parsed->algorithm->name) + ", which goes with " +
                std::string(parsed->algorithm->certificate_name));
  return verify(certificate.key, *parsed, userauth_data(request, certificate.blob()), presence);
}

}  // namespace envgate::ssh::auth
