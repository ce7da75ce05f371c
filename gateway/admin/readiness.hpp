// Whether the gateway should be given traffic, and what keeps it from that, in words for the operator.
// Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "routing/router.hpp"

namespace envgate::admin {

struct Readiness {
  std::vector<std::string> reasons;   // why not; empty: ready
  std::vector<std::string> warnings;  // ready all the same
  bool ready() const { return reasons.empty(); }
};

// `serving`: every listener is up and the first load of the routes is over.
Readiness readiness(bool serving, bool draining, const routing::RouterStatus& routes);

// Whether the source was heard at all: else its age means nothing.
bool ever_heard(const routing::RouterStatus& routes);
std::string_view source_name(routing::SourceKind kind);

}  // namespace envgate::admin
