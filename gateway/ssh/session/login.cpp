#include "gateway/ssh/session/login.hpp"

#include <openssl/crypto.h>

namespace envgate::ssh::session {
namespace {

using monitor::Admit;

// The other leg is no part of it: a session that ends here never had one.
void end(Link& link, ClientLeg& client, const Error& why, bool violation) {
  monitor::Ended ended;
  ended.violation = violation && !client.farewell().empty() ? false : violation;
  ended.text = why.message;
  link.send(ended);
}

void log_in_onward(Link& link, Received& received, TargetLeg& target) {
  auto& asked = std::get<monitor::Target>(received.message);
  monitor::TargetFailed failed;
  const bool in = target.log_in(std::move(received.descriptor), asked, failed);
  OPENSSL_cleanse(asked.secret.data(), asked.secret.size());
  if (in)
    link.send(monitor::TargetReady{target.identification()});
  else
    link.send(failed);
}

// Until the monitor has answered. Nothing: go on with the next request, or it has ended (`over`).
std::optional<Admit> answer(Link& link, ClientLeg& client, TargetLeg& target, bool& over) {
  for (;;) {
    auto received = link.wait(client.fd());
    over = !received;
    if (over) return std::nullopt;
    if (const auto* const reply = std::get_if<monitor::Reply>(&received->message)) {
      over = !client.reply(reply->payload) || (!reply->last && !client.let_out());
      if (over || reply->last) return std::nullopt;
    } else if (std::holds_alternative<monitor::Target>(received->message)) {
      log_in_onward(link, *received, target);
    } else if (auto* const admit = std::get_if<Admit>(&received->message)) {
      return std::move(*admit);
    } else if (const auto* const last = std::get_if<monitor::End>(&received->message)) {
      client.disconnect(last->reason, last->text);
      client.let_out();
      over = true;
      return std::nullopt;
    } else {
      over = true;  // out of turn
      return std::nullopt;
    }
  }
}

}  // namespace

std::optional<Admit> log_in(Link& link, Fd client_socket, ClientLeg& client, TargetLeg& target) {
  auto received = link.wait();
  auto* const start = received ? std::get_if<monitor::Start>(&received->message) : nullptr;
  if (!start) return std::nullopt;
  auto exchanged = client.handshake(std::move(client_socket), start->host_key);
  OPENSSL_cleanse(start->host_key.data(), start->host_key.size());
  if (!exchanged) return end(link, client, exchanged.error(), true), std::nullopt;
  monitor::Handshaken handshaken;
  client.describe(handshaken);
  handshaken.public_key = target.public_key();
  link.send(handshaken);
  for (;;) {
    auto payload = client.next_userauth();
    if (!payload) return end(link, client, payload.error(), !client.broken()), std::nullopt;
    if (!link.send(monitor::Userauth{std::move(*payload)})) return std::nullopt;
    bool over = false;
    auto admitted = answer(link, client, target, over);
    if (over) return std::nullopt;
    if (!admitted) continue;
    if (!client.admit()) return std::nullopt;
    return admitted;
  }
}

}  // namespace envgate::ssh::session
