#include "control/cli/gateway_commands.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "control/cli/exit_code.hpp"
#include "control/cli/http_client.hpp"
#include "control/cli/terminal.hpp"
#include "control/cli/views.hpp"

namespace envgate::cli {
namespace {

constexpr const char* kDefaultSocket = "/run/envgate/admin.sock";
constexpr std::size_t kPage = 10'000;  // the most that the gateway gives at once

constexpr Option kSocket{"--socket", 's', "PATH",
                         "the admin socket (default: $ENVGATE_ADMIN_SOCKET,\n"
                         "                            else /run/envgate/admin.sock)"};
constexpr Option kOutput{"--output", 'o', "table|json",
                         "table, for people (the default), or json, for programs"};
constexpr Option kEnv{"--env", 'e', "ENV", "only of this environment"};
constexpr Option kProtocol{"--protocol", 'p', "ssh|tcp|ssh_tls|https|http", "only this"};
constexpr Option kLimit{"--limit", 'n', "N", "at most so many"};
constexpr Option kAfter{"--after", 0, "ENV", "only those that come after this environment"};

constexpr Option kCommon[] = {kSocket, kOutput};
constexpr Option kRouteOptions[] = {kLimit, kAfter, kSocket, kOutput};
constexpr Option kSessionOptions[] = {kEnv, kProtocol, kLimit, kSocket, kOutput};

std::string socket_of(const Invocation& call) { return gateway_socket(call); }

// Nothing where -o makes no sense.
std::optional<bool> wants_json(const Invocation& call) {
  const std::string format = call.value("--output", "table");
  if (format == "json") return true;
  if (format == "table") return false;
  complain("--output '" + format + "' is neither table nor json; see envctl " +
               std::string(call.command->path) + " --help",
           kMisuse);
  return std::nullopt;
}

int refused(const HttpAnswer& answer) {
  return complain(problem_view(answer.status, answer.body), exit_code_of(answer.status));
}

using View = std::string (*)(std::string_view);

// Asks, and prints the answer by `view`, or as it is. Answers from 400 on are errors, but for `also_good`.
int ask(const Invocation& call, std::string_view method, const std::string& target, View view,
        const std::string& body = {}, View json_view = pretty) {
  const auto json = wants_json(call);
  if (!json) return kMisuse;
  const auto answer = request(socket_of(call), method, target, body);
  if (!answer) return complain(answer.error().message, kFailed);
  if (answer->status >= 400) return refused(*answer);
  print(stdout, *json ? json_view(answer->body) : view(answer->body));
  return kOk;
}

std::string as_is(std::string_view text) { return std::string(text); }

// ---- listings ----

Result<std::size_t> read_limit(const Invocation& call) {
  if (!call.has("--limit")) return SIZE_MAX;
  const std::string text = call.value("--limit");
  std::size_t limit = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && limit > 0) return limit;
  return fail("--limit '" + text + "' is not a whole number from 1 on");
}

// Page by page, until `limit` entries or the end. `target` has its filters already, and a '?'.
int list(const Invocation& call, const std::string& target, std::string after, Listing& listing) {
  const auto limit = read_limit(call);
  if (!limit) return complain(limit.error().message, kMisuse);
  for (bool last = false; !last;) {
    std::string page = target + "limit=" + std::to_string(std::min(kPage, *limit - listing.size()));
    if (!after.empty()) page += "&after=" + encode_segment(after);
    const auto answer = request(socket_of(call), "GET", page);
    if (!answer) return complain(answer.error().message, kFailed);
    if (answer->status >= 400) return refused(*answer);
    after = listing.add(answer->body);
    last = after.empty() || listing.size() >= *limit;
    print(stdout, listing.take(last));
  }
  return kOk;
}

int run_routes(const Invocation& call) {
  const auto json = wants_json(call);
  if (!json) return kMisuse;
  const auto listing = *json ? listing_as_json("routes") : routes_table();
  return list(call, "/routes?", call.value("--after"), *listing);
}

int run_sessions(const Invocation& call) {
  const auto json = wants_json(call);
  if (!json) return kMisuse;
  std::string target = "/sessions?";
  if (call.has("--env")) target += "env=" + encode_segment(call.value("--env")) + "&";
  if (call.has("--protocol")) target += "protocol=" + encode_segment(call.value("--protocol")) + "&";
  const auto listing = *json ? listing_as_json("sessions") : sessions_table();
  return list(call, target, "", *listing);
}

// ---- the others ----

int run_status(const Invocation& call) { return ask(call, "GET", "/status", status_view); }
int run_route(const Invocation& call) {
  return ask(call, "GET", "/routes/" + encode_segment(call.words[0]), route_view);
}
int run_reload(const Invocation& call) { return ask(call, "POST", "/reload", changes_view); }
int run_drain(const Invocation& call) { return ask(call, "POST", "/drain", drain_view); }
int run_metrics(const Invocation& call) { return ask(call, "GET", "/metrics", as_is, {}, metrics_as_json); }

int run_kill(const Invocation& call) {
  int worst = kOk;
  for (const std::string& id : call.words)
    worst = std::max(worst, ask(call, "DELETE", "/sessions/" + encode_segment(id), killed_view));
  return worst;
}

int run_ssh_keys(const Invocation& call) {
  const std::string entry = call.words.empty() ? "" : "/" + encode_segment(call.words[0]);
  return ask(call, "GET", "/ssh-keys" + entry, ssh_keys_view);
}

int run_settings(const Invocation& call) {
  return ask(call, "GET", call.words.empty() ? "/settings" : "/settings/" + encode_segment(call.words[0]),
             settings_view);
}

int run_set(const Invocation& call) {
  return ask(call, "PUT", "/settings/" + encode_segment(call.words[0]), changes_view,
             value_body(call.words[1]));
}

int run_unset(const Invocation& call) {
  return ask(call, "DELETE", "/settings/" + encode_segment(call.words[0]), changes_view);
}

// Not ready is an answer too, and its reasons are what was asked for.
int run_health(const Invocation& call) {
  const auto json = wants_json(call);
  if (!json) return kMisuse;
  const auto answer = request(socket_of(call), "GET", "/readyz");
  if (!answer) return complain(answer.error().message, kFailed);
  if (answer->status != 200 && answer->status != 503) return refused(*answer);
  print(stdout, *json ? pretty(answer->body) : health_view(answer->body));
  return answer->status == 200 ? kOk : kFailed;
}

constexpr unsigned kMany = 10'000;
constexpr std::string_view kSettingsHelp =
    "\nKEY is a key (log.level) or a section (log); without it, every key is listed with its value and\n"
    "where that comes from. Secrets are masked.\n";

constexpr std::string_view kSshKeysHelp =
    "\nWithout ENV: of the port that all share (ssh.audited.bind), and the key that targets may trust\n"
    "(TrustedUserCAKeys, where ssh.audited.onward.ca_file is set). Every gateway with the same\n"
    "ssh.audited.host_key_file shows the same keys.\n";

constexpr Command kCommands[] = {
    {"gateway status", "", 0, 0, kCommon,
     "How the gateway does: version, readiness, workers, routes, certificates", "", run_status},
    {"gateway health", "", 0, 0, kCommon, "Whether it is ready for traffic, and why not",
     "\nExit status 0: ready, 1: not ready, or no gateway could be asked.\n", run_health},
    {"gateway routes", "", 0, 0, kRouteOptions, "List the routes by environment", "", run_routes},
    {"gateway route", "ENV", 1, 1, kCommon, "Show one environment's route, and what uses it", "", run_route},
    {"gateway sessions", "", 0, 0, kSessionOptions, "List the connections that are open now", "",
     run_sessions},
    {"gateway kill", "ID...", 1, kMany, kCommon, "End sessions, by the numbers that `sessions` lists", "",
     run_kill},
    {"gateway ssh-keys", "[ENV]", 0, 1, kCommon, "Print the host keys of audited sessions for known_hosts",
     kSshKeysHelp, run_ssh_keys},
    {"gateway reload", "", 0, 0, kCommon, "Read settings, certificates and routes again, as SIGHUP does",
     "\nPrints what has changed, and what waits for a restart. Where anything is wrong, all of it is said "
     "and\n"
     "the old settings stay in force.\n",
     run_reload},
    {"gateway drain", "", 0, 0, kCommon, "Take no new connection, let those that are open end, then exit",
     "\nWhat is still open after timeouts.drain is cut.\n", run_drain},
    {"gateway settings", "[KEY]", 0, 1, kCommon, "Say the settings in force and where each comes from",
     kSettingsHelp, run_settings},
    {"gateway set", "KEY VALUE", 2, 2, kCommon, "Change a setting until the gateway ends or it is unset",
     "\nOnly keys that change at once can be set (`settings KEY` says which). A list is written [a, b]. A "
     "VALUE\n"
     "that begins with - comes after --.\n",
     run_set},
    {"gateway unset", "KEY", 1, 1, kCommon, "Take back what `set` has changed", "", run_unset},
    {"gateway metrics", "", 0, 0, kCommon, "Print the metrics, in Prometheus' text format or as JSON", "",
     run_metrics},
};

}  // namespace

std::string gateway_socket(const Invocation& call, std::string_view option) {
  const char* const named = std::getenv("ENVGATE_ADMIN_SOCKET");
  return call.value(option, named && *named ? named : kDefaultSocket);
}

int run_gateway_settings(const Invocation& call) { return run_settings(call); }

std::span<const Command> gateway_commands() { return kCommands; }

}  // namespace envgate::cli
