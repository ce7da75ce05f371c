// What /metrics says of the present moment, beside the counters that the data plane keeps: read when it is
// asked for. The values are gathered before the exposition is written, since that holds the registry's lock,
// which a worker may want before it answers. Thread: the admin thread's. The series themselves belong to the
// registry, for ever.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.hpp"

namespace envgate::admin {

struct Context;

class Gauges {
 public:
  // Asks workers, routing engine, guard and kernel, and sets every gauge.
  void refresh(Context& context);

 private:
  // A gauge in fractions, which the registry reads through a function; shared, because that outlives us.
  using Real = std::shared_ptr<std::atomic<double>>;
  Real& real(std::string_view name, std::string_view help, std::string_view label = {},
             std::string_view value = {});
  void refresh_workers(Context& context);
  void refresh_routes(Context& context);
  void refresh_certificates(Context& context);
  void refresh_process(Context& context);

  std::map<std::string, Real, std::less<>> reals_;
  std::map<std::string, metrics::Gauge*> refused_;
  std::vector<metrics::Gauge*> certificates_;
};

}  // namespace envgate::admin
