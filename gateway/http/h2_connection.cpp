#include "gateway/http/h2_connection.hpp"

#include <algorithm>
#include <string>

#include "gateway/http/h2_session.hpp"
#include "gateway/http/respond.hpp"
#include "gateway/metrics.hpp"

namespace envgate::http {
namespace {

// The requests of one connection, answered by the gateway's one way of answering.
class Service final : public H2Service {
 public:
  Service(gateway::Worker& worker, gateway::Session& session, const Client& client)
      : worker_(worker), session_(session), client_(client) {}

  loop::Task<bool> answer(Exchange& exchange) override {
    return respond(worker_, session_, exchange, client_);
  }

  std::string refused(const Verdict& verdict) override {
    const RequestId request_id;
    log_unrouted(worker_, client_, verdict.status, verdict.reason, request_id);
    return std::string(request_id);
  }

  void misbehaved(std::string_view reason) override { gateway::Metrics::refused(reason); }
  void busy(bool busy) override { session_.busy = busy; }
  bool draining() const override { return worker_.draining; }

 private:
  gateway::Worker& worker_;
  gateway::Session& session_;
  const Client& client_;
};

H2Options options_of(const gateway::GatewaySettings& settings) {
  H2Options options;
  options.max_streams = settings.http2.max_concurrent_streams;
  options.head.request_line = settings.http.max_request_line.count;
  options.head.head = settings.http.max_head_bytes.count;
  options.head.field_line = options.head.head;
  options.head.fields = settings.http.max_fields;
  options.idle = settings.timeouts.idle;
  options.request_head = settings.timeouts.request_head;
  return options;
}

}  // namespace

loop::Task<void> serve_h2(gateway::Worker& worker, gateway::Session& session, net::Stream& stream,
                          const Client& client) {
  Service service(worker, session, client);
  H2Session connection(worker.reactor, stream, service, options_of(*worker.settings));
  co_await connection.run();
}

}  // namespace envgate::http
