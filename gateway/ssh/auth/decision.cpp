#include "gateway/ssh/auth/decision.hpp"

#include <algorithm>

#include "base/utf8.hpp"

namespace envgate::ssh::auth {
namespace {

using Checked = tl::expected<void, Refused>;

tl::unexpected<Refused> refuse(Refusal reason, std::string text) {
  return tl::unexpected(Refused{reason, std::move(text)});
}

Checked check_issuer(const CertificateRequest& request) {
  const Certificate& certificate = request.certificate;
  if (certificate.kind != Certificate::kUser)
    return refuse(Refusal::not_for_users, certificate.kind == Certificate::kHost
                                              ? "the certificate is a host's, and not a user's"
                                              : "the certificate is not of a user");
  if (std::find(request.trusted.begin(), request.trusted.end(), certificate.ca) == request.trusted.end())
    return refuse(Refusal::ca_not_trusted,
                  "the certificate is signed by " + certificate.ca.fingerprint() + ", which is not trusted");
  if (auto verified = verify(certificate.ca, certificate.signature, certificate.signed_part()); !verified)
    return refuse(Refusal::bad_signature, "the certificate's signature: " + verified.error().message);
  return {};
}

Checked check_time(const Certificate& certificate, std::chrono::sys_seconds now) {
  const auto seconds = now.time_since_epoch().count();
  const auto second = seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
  if (second < certificate.valid_after)
    return refuse(Refusal::not_yet_valid, "the certificate is not yet valid, " +
                                              std::to_string(certificate.valid_after - second) +
                                              " seconds too early");
  if (second >= certificate.valid_before)
    return refuse(Refusal::expired, "the certificate has expired, " +
                                        std::to_string(second - certificate.valid_before) + " seconds ago");
  return {};
}

Checked check_principal(const Certificate& certificate, std::string_view principal) {
  const auto& principals = certificate.principals;
  // To OpenSSH's format an empty list means "any".
  if (principals.empty()) return refuse(Refusal::no_principals, "the certificate names no principal");
  if (std::find(principals.begin(), principals.end(), principal) == principals.end())
    return refuse(Refusal::wrong_principal, "the certificate is not for the principal " + shown(principal));
  return {};
}

Checked check_order(const std::vector<CertificateOption>& options, std::string_view which) {
  for (std::size_t i = 1; i < options.size(); ++i)
    if (options[i - 1].name >= options[i].name)
      return refuse(Refusal::options_order,
                    "the certificate's " + std::string(which) + " " + shown(options[i].name) +
                        (options[i - 1].name == options[i].name ? " is there twice"
                                                                : " is not in the order of their names"));
  return {};
}

tl::unexpected<Refused> bad_option(const CertificateOption& option, std::string_view why) {
  return refuse(Refusal::bad_option,
                "the certificate's option " + shown(option.name) + " " + std::string(why));
}

// The one string that an option's data is.
std::optional<std::string_view> text_of(const CertificateOption& option) {
  Reader reader(option.data);
  std::string_view text;
  if (!reader.string(text) || !reader.at_end() || text.empty() || text.find('\0') != text.npos)
    return std::nullopt;
  return text;
}

// An IPv6 network is never meant for IPv4's addresses, though Cidr keeps those inside of "::/0".
bool is_of_family(std::string_view network, const IpAddress& peer) {
  const auto address = IpAddress::parse(network.substr(0, network.find('/')));
  return address && address->is_v4() == peer.is_v4();
}

// All items are read before any counts: a list that is wrong anywhere refuses.
Checked check_source_address(const CertificateOption& option, const IpAddress& peer) {
  const auto text = text_of(option);
  if (!text) return bad_option(option, "is not a list of networks");
  bool inside = false;
  for (std::size_t at = 0; at <= text->size();) {
    const std::size_t end = std::min(text->find(',', at), text->size());
    const std::string_view item = text->substr(at, end - at);
    const auto network = Cidr::parse(item);
    if (!network) return bad_option(option, "has " + shown(item) + ", which is not a network");
    inside = inside || (is_of_family(item, peer) && network->contains(peer));
    at = end + 1;
  }
  if (!inside)
    return refuse(Refusal::source_address, "the certificate is not for clients at " + peer.to_string());
  return {};
}

Checked take_critical(const CertificateOption& option, const CertificateRequest& request, Permissions& out) {
  if (option.name == "source-address") return check_source_address(option, request.peer);
  if (option.name == "force-command") {
    const auto command = text_of(option);
    if (!command) return bad_option(option, "is not a command");
    out.force_command = *command;
    return {};
  }
  if (option.name == "verify-required") {
    if (!option.data.empty()) return bad_option(option, "has data, and must have none");
    if (!facts(request.certificate.key.type).security_key)
      return refuse(Refusal::cannot_verify_user,
                    "the certificate demands verify-required, of a key that is no security key");
    out.verify_required = true;
    return {};
  }
  return refuse(Refusal::unknown_critical_option,
                "the certificate's critical option " + shown(option.name) + " is not known here");
}

struct Extension {
  std::string_view name;
  bool Permissions::*permission;
};

constexpr Extension kExtensions[] = {
    {"no-touch-required", &Permissions::no_touch_required},
    {"permit-X11-forwarding", &Permissions::x11_forwarding},
    {"permit-agent-forwarding", &Permissions::agent_forwarding},
    {"permit-port-forwarding", &Permissions::port_forwarding},
    {"permit-pty", &Permissions::pty},
    {"permit-user-rc", &Permissions::user_rc},
};

// One that is not known is passed over, as PROTOCOL.certkeys wants it: an extension only ever gives.
Checked take_extension(const CertificateOption& option, Permissions& out) {
  for (const Extension& known : kExtensions) {
    if (option.name != known.name) continue;
    if (!option.data.empty()) return bad_option(option, "has data, and must have none");
    out.*known.permission = true;
  }
  return {};
}

}  // namespace

tl::expected<Permissions, Refused> decide(const CertificateRequest& request) {
  const Certificate& certificate = request.certificate;
  // The issuer first: what follows speaks of what a trusted CA has signed.
  Checked checked = check_issuer(request);
  if (checked && (certificate.key_id.size() > kKeyIdMax || !is_printable_utf8(certificate.key_id)))
    checked = refuse(Refusal::bad_key_id, "the certificate's key id is not printable text of at most " +
                                              std::to_string(kKeyIdMax) + " bytes");
  if (checked) checked = check_time(certificate, request.now);
  if (checked) checked = check_principal(certificate, request.principal);
  if (checked) checked = check_order(certificate.critical_options, "critical option");
  if (checked) checked = check_order(certificate.extensions, "extension");
  Permissions permissions;
  for (const CertificateOption& option : certificate.critical_options)
    if (checked) checked = take_critical(option, request, permissions);
  for (const CertificateOption& option : certificate.extensions)
    if (checked) checked = take_extension(option, permissions);
  if (!checked) return tl::unexpected(std::move(checked.error()));
  return permissions;
}

}  // namespace envgate::ssh::auth
