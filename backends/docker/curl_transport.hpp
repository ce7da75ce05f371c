// The Transport over libcurl: a Unix socket or TLS. A connection for each request, kept by nobody: an engine
// that was restarted underneath costs at most the request that was under way.
// Thread: any; calls share nothing.
#pragma once

#include "backends/docker/settings.hpp"
#include "backends/docker/transport.hpp"

namespace envgate::backends::docker {

class CurlTransport final : public Transport {
 public:
  explicit CurlTransport(EngineAddress address);
  Outcome<Response> send(const Request& request, const Call& call) override;
  Outcome<Response> converse(const Request& request, const Secret& input, const Call& call) override;
  std::string shown() const override { return address_.shown(); }

 private:
  EngineAddress address_;
};

}  // namespace envgate::backends::docker
