#include "routing/refusal.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/metrics.hpp"

namespace envgate::routing {
namespace {

constexpr std::size_t kLinesPerWindow = 100;
constexpr std::chrono::seconds kWindow{10};

metrics::Counter& total(std::string_view reason) {
  return metrics::counter("envgate_route_refusals_total",
                          "Routes or listening ports of routes that were refused, or warned of.",
                          {{"reason", reason}});
}

metrics::Gauge& current(Refusal reason) {
  return metrics::gauge("envgate_routes_refused",
                        "Routes that are refused now, wholly or for a listening port.",
                        {{"reason", to_string(reason)}});
}

}  // namespace

std::string_view to_string(Refusal reason) {
  constexpr std::string_view names[kRefusals] = {"invalid", "address", "port_clash", "port_range",
                                                 "port_reserved"};
  return names[static_cast<std::size_t>(reason)];
}

RefusalLog::RefusalLog() {
  for (std::size_t i = 0; i < kRefusals; ++i) {  // so that each is there, at 0, from the start
    (void)total(to_string(static_cast<Refusal>(i)));
    current(static_cast<Refusal>(i)).set(0);
  }
}

void RefusalLog::note(const EnvId& env, Entry entry) {
  const auto found = entries_.find(env);
  if (found != entries_.end()) {
    const Entry& old = found->second;
    const bool same = old.reason == entry.reason && old.message == entry.message && old.ports == entry.ports;
    if (same) {
      found->second = std::move(entry);
      return;
    }
    forget(found);
  }
  mention(env, "route_refused", to_string(entry.reason), entry.message);
  ++counts_[static_cast<std::size_t>(entry.reason)];
  current(entry.reason).set(static_cast<std::int64_t>(counts_[static_cast<std::size_t>(entry.reason)]));
  whole_ += entry.whole();
  for (const std::uint16_t port : entry.ports) waiting_[port].push_back(env);
  entries_.emplace(env, std::move(entry));
}

void RefusalLog::mention(const EnvId& env, std::string_view event, std::string_view reason,
                         const std::string& message) {
  total(reason).add();
  if (may_log()) log::warn(event).environment(env.view()).text("reason", reason).text("error", message);
}

void RefusalLog::clear(const EnvId& env) {
  const auto found = entries_.find(env);
  if (found != entries_.end()) forget(found);
}

void RefusalLog::forget(Entries::iterator entry) {
  std::size_t& count = counts_[static_cast<std::size_t>(entry->second.reason)];
  --count;
  current(entry->second.reason).set(static_cast<std::int64_t>(count));
  whole_ -= entry->second.whole();
  for (const std::uint16_t port : entry->second.ports) {
    const auto waiting = waiting_.find(port);
    std::erase(waiting->second, entry->first);
    if (waiting->second.empty()) waiting_.erase(waiting);
  }
  entries_.erase(entry);
}

RefusalLog::Entry* RefusalLog::find(const EnvId& env) {
  const auto found = entries_.find(env);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<EnvId> RefusalLog::waiting_for(std::uint16_t port) const {
  const auto found = waiting_.find(port);
  return found == waiting_.end() ? std::vector<EnvId>{} : found->second;
}

bool RefusalLog::may_log() {
  const auto now = std::chrono::steady_clock::now();
  if (now - window_ > kWindow) {
    if (suppressed_ > 0) {
      log::warn("route_refused").number("suppressed", static_cast<std::int64_t>(suppressed_));
    }
    window_ = now;
    lines_ = suppressed_ = 0;
  }
  if (++lines_ <= kLinesPerWindow) return true;
  ++suppressed_;
  return false;
}

}  // namespace envgate::routing
