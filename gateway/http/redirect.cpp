#include "gateway/http/redirect.hpp"

#include <string>

#include "gateway/http/date.hpp"
#include "gateway/http/respond.hpp"

namespace envgate::http {

loop::Task<bool> redirect(gateway::Worker& worker, H1Exchange& exchange, const Client& client) {
  const RequestHead& request = exchange.request();
  const auto name = worker.shared.domain.parse(request.authority.host);
  const RequestId request_id;
  if (!name || name->kind != routing::HostName::Kind::container) {
    // Only our own names are sent anywhere: an open redirector would lend its good name to others.
    log_unrouted(worker, client, 404, "unknown_host", request_id);
    ErrorContext context;
    context.request_id = request_id;
    co_return co_await exchange.send_error(ErrorKind::unknown_environment, context);
  }
  log_unrouted(worker, client, 308, "redirected", request_id);
  std::string location = "https://" + worker.shared.domain.container_host(name->env, name->port);
  const std::uint16_t port = worker.settings->https.bind ? worker.settings->https.bind->port : 443;
  if (port != 443) location += ":" + std::to_string(port);
  location.append(request.path == "*" ? "/" : request.path)
      .append(request.query);  // OPTIONS *: of the whole server

  // 308 keeps method and body (RFC 9110 section 15.4.9).
  ResponseHead head;
  head.status = 308;
  head.framing = Framing::length;
  head.has_content_length = true;
  head.fields.push_back({"Location", location, FieldId::location, false});
  ResponseForwarding forwarding;
  forwarding.client_version = request.version;
  forwarding.framing = Framing::length;
  forwarding.request_id = request_id;
  forwarding.date = http_date();
  forwarding.close = !exchange.body_ended();
  exchange.send_head(head, forwarding);
  co_return co_await exchange.send_end(FieldList());
}

}  // namespace envgate::http
