#include "gateway/waking.hpp"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "gateway/control_client.hpp"

namespace envgate::gateway {
namespace {

constexpr std::chrono::milliseconds kLookAgain{500};
constexpr std::chrono::seconds kAnswerIn{5};
constexpr std::chrono::seconds kRecent{1};
constexpr std::size_t kRecentMost = 1024;
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

loop::Task<Woken> wake(Worker& worker, routing::RoutePtr route, Waiter waiter, loop::Deadline deadline) {
  const routing::EnvId env = route->env;
  Woken out;
  std::string told;
  unsigned failures = 0;
  for (;;) {
    out.route = running_route(worker, env);
    if (out.route) co_return out;
    const auto now = co_await ask(worker, env, waiter.why);
    failures = now || now.error().code != 0 ? 0 : failures + 1;
    out.why = now ? now->reason : now.error().message;
    const bool refused = !now && now.error().code / 100 == 4;  // the control plane's own no
    if (refused || failures > kFailuresMost || (now && now->state == "failed")) co_return out;
    if (now && now->line != told && now->state != "running") waiter.progress(told = now->line);
    if (waiter.gone()) {
      out.why = "nobody waits for it any more";
      co_return out;
    }
    if (worker.reactor.now() >= deadline) {
      out.timed_out = true;
      out.why = "it has not come up in time";
      co_return out;
    }
    co_await loop::sleep_until(worker.reactor, worker.reactor.now() + kLookAgain);
  }
}

loop::Task<Result<std::string>> ask_to_wake(Worker& worker, routing::EnvId env, std::string why) {
  struct Asked {
    loop::Time until;
    Result<std::string> answer;
  };
  thread_local std::unordered_map<routing::EnvId, Asked> recent;  // on this worker
  const loop::Time now = worker.reactor.now();
  if (const auto found = recent.find(env); found != recent.end() && now < found->second.until)
    co_return found->second.answer;
  if (recent.size() >= kRecentMost) recent.clear();
  // Until the answer is there, who comes meanwhile is told that it has been asked for.
  recent.insert_or_assign(env, Asked{now + kAnswerIn, std::string("starting")});
  const auto progress = co_await ask(worker, env, std::move(why));
  Result<std::string> answer =
      progress ? Result<std::string>(progress->line) : tl::unexpected(progress.error());
  if (progress && progress->state == "failed") answer = fail(progress->reason);
  recent.insert_or_assign(env, Asked{worker.reactor.now() + kRecent, answer});
  co_return answer;
}

}  // namespace envgate::gateway
