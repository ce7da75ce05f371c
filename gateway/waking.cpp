#include "gateway/waking.hpp"

#include <nlohmann/json.hpp>

#include "gateway/control_client.hpp"

namespace envgate::gateway {
namespace {

constexpr std::chrono::milliseconds kLookAgain{500};
constexpr std::chrono::seconds kAnswerIn{5};
constexpr unsigned kFailuresMost = 20;  // answers in a row that do not come: the control plane is away

struct Progress {
  std::string state;  // "starting", "running", "failed", "stopped"
  std::string line;   // for people
  std::string reason;
};

Result<Progress> parse(const ControlAnswer& answer) {
  const nlohmann::json view = nlohmann::json::parse(answer.body, nullptr, false);
  if (answer.status / 100 != 2 || !view.is_object()) return fail(problem_text(answer), answer.status);
  Progress out;
  out.state = view.value("state", "");
  out.reason = view.value("reason", "");
  const auto position = view.value("position", 0);
  const std::string step = view.value("step", "");
  if (position > 0)
    out.line = "position " + std::to_string(position) + " in the queue";
  else
    out.line = step.empty() ? "starting" : "starting: " + step;
  return out;
}

loop::Task<Result<Progress>> ask(Worker& worker, routing::EnvId env, std::string why) {
  const std::string body = nlohmann::json{{"environment", env.str()}, {"why", why}}.dump();
  const auto answer = co_await ask_control(worker.reactor, worker.settings->routes.control.socket,
                                           "POST /api/gateway/wake", body, worker.reactor.after(kAnswerIn));
  if (!answer) co_return tl::unexpected(answer.error());
  co_return parse(*answer);
}

routing::RoutePtr running_route(Worker& worker, const routing::EnvId& env) {
  const routing::Route* const route = worker.routes->find(env);
  return route && route->state == routing::State::running ? routing::RoutePtr(route) : routing::RoutePtr();
}

}  // namespace

bool sleeps(const Worker& worker, const routing::Route& route) {
  return route.services().wake && route.state != routing::State::running &&
         worker.settings->routes.source == RouteSource::control;
}

loop::Task<Woken> wake(Worker& worker, routing::RoutePtr route, std::string why, loop::Deadline deadline,
                       WakingProgress progress) {
  const routing::EnvId env = route->env;
  Woken out;
  std::string told;
  unsigned failures = 0;
  for (;;) {
    out.route = running_route(worker, env);
    if (out.route) co_return out;
    const auto now = co_await ask(worker, env, why);
    failures = now || now.error().code != 0 ? 0 : failures + 1;
    out.why = now ? now->reason : now.error().message;
    const bool refused = !now && now.error().code / 100 == 4;  // the control plane's own no
    if (refused || failures > kFailuresMost || (now && now->state == "failed")) co_return out;
    if (now && now->line != told && now->state != "running") progress(told = now->line);
    if (worker.reactor.now() >= deadline) {
      out.timed_out = true;
      out.why = "it has not come up in time";
      co_return out;
    }
    co_await loop::sleep_until(worker.reactor, worker.reactor.now() + kLookAgain);
  }
}

loop::Task<Result<std::string>> ask_to_wake(Worker& worker, routing::EnvId env, std::string why) {
  const auto now = co_await ask(worker, env, std::move(why));
  if (!now) co_return tl::unexpected(now.error());
  if (now->state == "failed") co_return fail(now->reason);
  co_return now->line;
}

}  // namespace envgate::gateway
