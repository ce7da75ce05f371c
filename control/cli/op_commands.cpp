#include "control/cli/op_commands.hpp"

#include <nlohmann/json.hpp>

#include "control/cli/environment_name.hpp"
#include "control/cli/operation_wait.hpp"

namespace envgate::cli {
namespace {

constexpr Option kEnvironment{"--env", 'e', "ENV", "only of this environment"};
constexpr Option kState{"--state", 0, "pending|running|done|failed", "only those in this state"};
constexpr Option kSort{"--sort", 0, "FIELD", "created_at; with - before it, the last first"};
constexpr Option kFor{"--for", 0, "SECONDS", "at most so long (600 if left out)"};
constexpr Option kLsOptions[] = {kEnvironment, kState, kSort, kLimit, kOutput, kControlSocket, kTimeout};
constexpr Option kWaitOptions[] = {kFor, kOutput, kControlSocket, kTimeout};

constexpr Column kColumns[] = {
    {"ID", "/id"},
    {"ENVIRONMENT", "/environment"},
    {"KIND", "/kind"},
    {"STATE", "/state", As::state},
    {"STEP", "/progress/step"},
    {"DETAIL", "/progress/detail", As::text, true},
    {"ERROR", "/error/code"},
    {"MESSAGE", "/error/message", As::text, true},
    {"AGE", "/created_at", As::age},
};
constexpr ListShape kList{"operations", kColumns, "no operations"};
constexpr Column kLines[] = {
    {"id", "/id"},
    {"environment", "/environment"},
    {"kind", "/kind"},
    {"state", "/state", As::state},
    {"step", "/progress/step"},
    {"detail", "/progress/detail"},
    {"error", "/error/code"},
    {"message", "/error/message"},
    {"created", "/created_at"},
    {"updated", "/updated_at"},
};
constexpr Column kSteps[] = {{"STEP", "/name"},
                             {"STATE", "/state", As::state},
                             {"STARTED", "/started_at"},
                             {"FINISHED", "/finished_at"},
                             {"MESSAGE", "/message"}};

Asked<void> show(const Invocation& call, const Json& operation) {
  auto printed = print_entry(call, operation, kLines);
  const Format format = *format_of(call);
  if (format == Format::json || format == Format::yaml) return printed;
  const auto steps = operation.find("steps");
  if (steps == operation.end() || steps->empty()) return printed;
  print(stdout, "\n" + list_text(operation, {"steps", kSteps, ""}, format, wants_colour(stdout)));
  return printed;
}

Asked<void> run_ls(const Invocation& call, const ControlClient& client) {
  std::string query = filters_of(call, {"--state", "--sort"});
  if (call.has("--env")) {
    const auto id = environment_id(client, call.value("--env"));
    if (!id) return tl::unexpected(id.error());
    query += (query.empty() ? "?" : "&") + ("environment=" + encode_segment(*id));
  }
  return list_and_print(call, client, "/api/operations" + query, kList);
}

Asked<void> run_show(const Invocation& call, const ControlClient& client) {
  const auto operation = client.get("/api/operations/" + encode_segment(call.words[0]));
  return operation ? show(call, *operation) : tl::unexpected(operation.error());
}

Asked<void> run_wait(const Invocation& call, const ControlClient& client) {
  const auto seconds = whole_number(call, "--for", 600);
  if (!seconds) return tl::unexpected(seconds.error());
  const std::chrono::seconds limit(std::min<std::size_t>(*seconds, 10'000'000));
  auto operation = client.get("/api/operations/" + encode_segment(call.words[0]));
  if (operation) operation = follow_operation(client, std::move(*operation), limit);
  return operation ? show(call, *operation) : tl::unexpected(operation.error());
}

constexpr Command kCommands[] = {
    {"op ls", "", 0, 0, kLsOptions, "List operations", "", with_control<run_ls>},
    {"op show", "OPERATION", 1, 1, kAskOptions, "Show one with its steps", "", with_control<run_show>},
    {"op wait", "OPERATION", 1, 1, kWaitOptions, "Follow one to its end",
     "\nExit status 0: done, 1: failed, 5: the time was over first.\n", with_control<run_wait>},
};

}  // namespace

std::span<const Command> op_commands() { return kCommands; }

}  // namespace envgate::cli
