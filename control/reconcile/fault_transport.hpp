// A Docker engine's transport with a fault point before and after each request, for the kill test.
#pragma once

#include <memory>

#include "backends/docker/transport.hpp"
#include "control/reconcile/fault_point.hpp"

namespace envgate::control {

class FaultTransport final : public backends::docker::Transport {
 public:
  explicit FaultTransport(std::unique_ptr<Transport> inner) : inner_(std::move(inner)) {}

  backends::Outcome<backends::docker::Response> send(const backends::docker::Request& request,
                                                     const backends::Call& call) override {
    // Looking changes nothing: being killed around it is being killed around what comes next.
    const bool acts = request.method != "GET";
    if (acts) fault_point(("docker." + request.method + ".before").c_str());
    auto answer = inner_->send(request, call);
    if (acts) fault_point(("docker." + request.method + ".after").c_str());
    return answer;
  }
  backends::Outcome<backends::docker::Response> converse(const backends::docker::Request& request,
                                                         const backends::Secret& input,
                                                         const backends::Call& call) override {
    fault_point("docker.exec.before");
    auto answer = inner_->converse(request, input, call);
    fault_point("docker.exec.after");
    return answer;
  }
  std::string shown() const override { return inner_->shown(); }

 private:
  std::unique_ptr<Transport> inner_;
};

}  // namespace envgate::control
