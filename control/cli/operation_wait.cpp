#include "control/cli/operation_wait.hpp"

#include <nlohmann/json.hpp>
#include <thread>

#include "control/cli/progress.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

using std::chrono::steady_clock;

// How long control may hold an answer back: progress is seen so often.
constexpr std::chrono::seconds kLook{1};
constexpr std::chrono::milliseconds kLeastPause{200};  // where it answers at once all the same
// An operation outlives a restart of control, and so does the wait for it.
constexpr std::chrono::seconds kRestart{20};

constexpr Column kChangeLines[] = {
    {"environment", "/environment/id"},          {"name", "/environment/name"},
    {"state", "/environment/state", As::state},  {"ssh host", "/environment/ssh_host"},
    {"ssh port", "/environment/ssh_port"},       {"operation", "/operation/id"},
    {"kind", "/operation/kind", As::text, true}, {"", "/operation/state", As::state},
};

bool has_ended(const Json& operation) {
  const std::string state = operation.at("state").get<std::string>();
  return state == "done" || state == "failed";
}

Asked<Json> verdict(Json operation) {
  if (operation.at("state") == "done") return operation;
  std::string why = "no reason is given";
  if (const auto error = operation.find("error"); error != operation.end() && error->is_object())
    why = error->value("code", "") + ": " + error->value("message", "");
  return refuse("operation " + printable(operation.at("id").get<std::string>()) +
                " failed: " + printable(why));
}

tl::unexpected<Refusal> not_in_time(const std::string& id, std::chrono::seconds limit) {
  return refuse("operation " + printable(id) + " has not ended within " + std::to_string(limit.count()) +
                    " s; it goes on, and `envctl op wait " + printable(id) + "` follows it",
                kTimedOut);
}

}  // namespace

Asked<std::chrono::seconds> wait_of(const Invocation& call) {
  if (!call.has("--wait")) return std::chrono::seconds(0);
  if (call.value("--wait").empty()) return std::chrono::seconds(600);
  const auto seconds = whole_number(call, "--wait", 600);
  if (!seconds) return tl::unexpected(seconds.error());
  return std::chrono::seconds(std::min<std::size_t>(*seconds, 10'000'000));
}

Asked<Json> follow_operation(const ControlClient& client, Json operation, std::chrono::seconds limit) {
  const auto end = steady_clock::now() + limit;
  const std::string id = operation.at("id").get<std::string>();
  HttpRequest look = client.request("GET", "/api/operations/" + encode_segment(id));
  look.headers.emplace_back("Prefer", "wait=" + std::to_string(kLook.count()));
  const auto patience = look.patience;
  Progress progress(stderr, is_terminal(stderr));
  for (auto heard = steady_clock::now();;) {
    progress.show(operation);
    if (has_ended(operation)) break;
    const auto asked = steady_clock::now();
    if (asked >= end) {
      progress.end();
      return not_in_time(id, limit);
    }
    look.patience = std::min(patience, std::chrono::ceil<std::chrono::milliseconds>(end - asked) + kLook);
    auto answer = client.ask(look).and_then(json_of);
    const auto now = steady_clock::now();
    if (answer) {
      heard = now;
      operation = std::move(*answer);
    } else if (!answer.error().no_answer || (now < end && now - heard > kRestart)) {
      return answer;
    }
    if (!has_ended(operation)) std::this_thread::sleep_until(std::min(now + kLeastPause, end));
  }
  progress.end();
  return verdict(std::move(operation));
}

Asked<void> finish_change(const Invocation& call, const ControlClient& client, Json accepted) {
  const auto limit = wait_of(call);
  if (!limit) return tl::unexpected(limit.error());
  if (limit->count() > 0) {
    auto operation = follow_operation(client, accepted.at("operation"), *limit);
    if (!operation) return tl::unexpected(operation.error());
    accepted["operation"] = std::move(*operation);
    // A deleted one may be gone: then what was known of it is what there is to say.
    const std::string id = accepted.at("environment").at("id").get<std::string>();
    if (auto now = client.get("/api/environments/" + encode_segment(id)))
      accepted["environment"] = std::move(*now);
  }
  return print_entry(call, accepted, kChangeLines);
}

}  // namespace envgate::cli
