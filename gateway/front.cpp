#include "gateway/front.hpp"

#include "gateway/http/h1_connection.hpp"
#include "gateway/http/h2_connection.hpp"
#include "gateway/metrics.hpp"
#include "gateway/net/tls_context.hpp"
#include "gateway/net/tls_stream.hpp"
#include "gateway/ssh/passthrough.hpp"
#include "routing/names.hpp"

namespace envgate::gateway {
namespace {

// A connection that was let in; what it holds is given back when it ends.
struct Visitor {
  net::Socket socket;
  http::Client client;
  Permit permit;
};

void refuse(std::string_view reason, const IpAddress& source, const Error* error) {
  Metrics::refused(reason);
  auto line = log::debug("connection_refused");
  line.text("reason", reason).text("source_ip", source.to_string());
  if (error) line.error(*error);
}

loop::Task<bool> enter(Worker& worker, net::Accepted accepted, Visitor& visitor) {
  if (!visitor.socket.open(worker.reactor, std::move(accepted.fd))) co_return false;
  auto address = co_await client_address(worker, visitor.socket, accepted.peer);
  if (!address) {
    refuse("bad_proxy_header", accepted.peer.address, &address.error());
    co_return false;
  }
  visitor.client.peer = *address;
  visitor.client.address = address->address.to_string();
  const Refusal refusal = worker.shared.guard.admit(address->address, worker.reactor.now(), visitor.permit);
  if (refusal == Refusal::none) co_return true;
  refuse(to_string(refusal), address->address, nullptr);
  co_return false;
}

loop::Task<bool> shake_hands(Worker& worker, net::TlsStream& tls, const IpAddress& source) {
  Metrics& metrics = the_metrics();
  const loop::Time began = worker.reactor.now();
  auto secured = co_await tls.handshake(worker.reactor.after(worker.settings->timeouts.handshake));
  if (!secured) {
    metrics.handshakes_failed.add();
    refuse("tls_handshake", source, &secured.error());
    co_return false;
  }
  (tls.resumed() ? metrics.handshakes_resumed : metrics.handshakes_full).add();
  metrics.handshake_seconds.observe(std::chrono::duration<double>(worker.reactor.now() - began).count());
  co_return true;
}

loop::Task<void> serve_web(Worker& worker, net::TlsStream& tls, const http::Client& client) {
  const ActiveConnection active(Protocol::https);
  Session session(worker.sessions, Protocol::https, client.peer, tls);
  if (tls.protocol() == "h2") co_await http::serve_h2(worker, session, tls, client);
  else co_await http::serve_h1(worker, session, tls, client, http::H1Purpose::forward);
}

}  // namespace

loop::Task<void> serve_https(Worker& worker, net::Accepted accepted) {
  Visitor visitor;
  const bool entered = co_await enter(worker, std::move(accepted), visitor);
  if (!entered) co_return;
  net::TlsStream tls;
  {
    // The contexts of the moment: a reload replaces them, but not under a handshake.
    const std::shared_ptr<net::TlsServer> server = worker.tls;
    ssl_st* const ssl = server->accept();
    if (!ssl) co_return refuse("out_of_memory", visitor.client.peer.address, nullptr);
    tls.open(visitor.socket, ssl);
    const bool secured = co_await shake_hands(worker, tls, visitor.client.peer.address);
    if (!secured) co_return;
  }
  const auto name = worker.shared.domain.parse(tls.server_name());
  if (name && name->kind == routing::HostName::Kind::ssh)
    co_await ssh::serve_tls(worker, tls, visitor.client.peer, name->env);
  else
    co_await serve_web(worker, tls, visitor.client);
}

loop::Task<void> serve_http_redirect(Worker& worker, net::Accepted accepted) {
  Visitor visitor;
  const bool entered = co_await enter(worker, std::move(accepted), visitor);
  if (!entered) co_return;
  const ActiveConnection active(Protocol::http);
  visitor.client.proto = "http";
  Session session(worker.sessions, Protocol::http, visitor.client.peer, visitor.socket);
  co_await http::serve_h1(worker, session, visitor.socket, visitor.client, http::H1Purpose::redirect);
}

}  // namespace envgate::gateway
