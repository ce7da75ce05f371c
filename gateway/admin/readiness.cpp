#include "gateway/admin/readiness.hpp"

namespace envgate::admin {
namespace {

std::string because(const routing::RouterStatus& routes) {
  return routes.last_error.empty() ? "" : ": " + routes.last_error;
}

std::string heard(const routing::RouterStatus& routes) {
  if (!ever_heard(routes)) return "never";
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(routes.age).count()) + " s ago";
}

}  // namespace

bool ever_heard(const routing::RouterStatus& routes) {
  return routes.age < std::chrono::hours(24 * 365 * 10);
}

std::string_view source_name(routing::SourceKind kind) {
  switch (kind) {
    case routing::SourceKind::control: return "control";
    case routing::SourceKind::redis: return "redis";
    case routing::SourceKind::file: return "file";
  }
  return "";
}

Readiness readiness(bool serving, bool draining, const routing::RouterStatus& routes) {
  Readiness out;
  const std::string source = "the route source (" + std::string(source_name(routes.source)) + ")";
  if (draining) out.reasons.push_back("draining: no new connection is taken");
  if (!serving && !draining) out.reasons.push_back("starting: not every listener is up yet");
  switch (routes.state) {
    case routing::SourceState::live:
      break;
    case routing::SourceState::loading:
      if (routes.restored == 0)  // what has been read so far is not all
        out.reasons.push_back(source + " has not been read yet" + because(routes));
      else
        out.warnings.push_back(source + " has not been read yet; the snapshot's routes are served" +
                               because(routes));
      break;
    case routing::SourceState::stale:
      out.warnings.push_back(source + " is away or wrong, last heard " + heard(routes) +
                             "; the last good routes are served" + because(routes));
      break;
    case routing::SourceState::down:
      out.reasons.push_back(source + " was last heard " + heard(routes) +
                            ", longer than routes.max_stale: no route is served" + because(routes));
      break;
  }
  return out;
}

}  // namespace envgate::admin
