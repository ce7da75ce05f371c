#include "control/cli/doctor.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "control/cli/control_command.hpp"
#include "control/cli/gateway_commands.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr double kDay = 86400;
constexpr double kExpiresSoon =
    14 * kDay;  // half of what an ACME client leaves: it has then failed for two weeks
constexpr std::int64_t kClockWarns = 5, kClockFails = 60;  // tickets and leases go by seconds

constexpr Option kOptions[] = {
    kControlSocket,
    {"--gateway-socket", 'g', "PATH",
     "the gateway's admin socket (default: $ENVGATE_ADMIN_SOCKET,\n"
     "                            else /run/envgate/admin.sock)"},
    kOutput,
    {"--timeout", 0, "SECONDS", "give up on an answer after so long (default: 10)"},
};

// A failure's first line says what is wrong; what follows, in parentheses, what can be done.
Check failed(const std::string& name, const std::string& message) {
  const std::size_t end = message.find('\n');
  std::string remedy = end == message.npos ? "" : message.substr(message.find_first_not_of(" \n", end));
  while (remedy.ends_with('\n')) remedy.pop_back();
  if (remedy.starts_with('(') && remedy.ends_with(')')) remedy = remedy.substr(1, remedy.size() - 2);
  return {name, "fail", message.substr(0, end), remedy};
}

std::vector<Check> own_checks(const ControlClient& client) {
  const auto own = client.get("/api/doctor");
  if (!own && own.error().code == kNotFound)
    return {{"control's checks", "warn", "this envgate-control has no checks of its own",
             "update it, or look at its log"}};
  if (!own) return {failed("control's checks", own.error().message)};
  std::vector<Check> checks;
  for (const Json& check : own->at("checks")) {
    const auto text = [&](const char* member) { return check.value(member, std::string()); };
    const std::string status = text("status");
    const bool known = status == "ok" || status == "warn";
    checks.push_back({text("name"), known ? status : "fail", text("message"), text("remedy")});
  }
  return checks;
}

std::string joined(const Json& list, const char* between) {
  std::string out;
  for (const Json& item : list)
    out += (out.empty() ? "" : between) + (item.is_string() ? item.get<std::string>() : item.dump());
  return out;
}

Check ready_check(const HttpAnswer& answer) {
  const Json json = Json::parse(answer.body, nullptr, false);
  if (!json.is_object() || !json.contains("ready"))
    return {"gateway", "fail", "HTTP " + std::to_string(answer.status) + " to /readyz is not understood",
            "is it envgate that listens there?"};
  if (json["ready"] != true)
    return {"gateway", "fail", "not ready: " + joined(json.value("reasons", Json::array()), "; "),
            "envctl gateway status, and the gateway's log"};
  const std::string warnings = joined(json.value("warnings", Json::array()), "; ");
  if (!warnings.empty()) return {"gateway", "warn", "ready, but: " + warnings, "envctl gateway status"};
  return {"gateway", "ok", "ready", ""};
}

std::string lines_of(const std::vector<Check>& checks, bool colour) {
  std::size_t width = 0;
  for (const Check& check : checks) width = std::max(width, display_width(printable(check.name)));
  std::string out;
  for (const Check& check : checks) {
    std::string status = check.status == "ok" ? "OK" : check.status == "warn" ? "WARN" : "FAIL";
    const std::string fill(4 - status.size(), ' '), name = printable(check.name);
    out += (colour ? painted(status, state_paint(status)) : status) + fill + "  " + name +
           std::string(width - display_width(name), ' ') + "  " + printable(check.message) + "\n";
    if (!check.remedy.empty() && check.status != "ok") out += "      -> " + printable(check.remedy) + "\n";
  }
  return out;
}

Json json_of(const std::vector<Check>& checks) {
  Json list = Json::array();
  for (const Check& check : checks)
    list.push_back({{"name", check.name},
                    {"status", check.status},
                    {"message", check.message},
                    {"remedy", check.remedy}});
  return Json{{"checks", std::move(list)}};
}

int run(const Invocation& call) {
  const auto format = format_of(call);
  const auto seconds = whole_number(call, "--timeout", 10);
  if (!format || !seconds) {
    const Refusal& why = format ? seconds.error() : format.error();
    return complain(why.message, why.code);
  }
  const std::chrono::seconds patience(std::min<std::size_t>(*seconds, 1'000'000));
  std::vector<Check> checks = control_checks(ControlClient(control_socket(call), patience));
  for (Check& check : gateway_checks(gateway_socket(call, "--gateway-socket"), patience))
    checks.push_back(std::move(check));
  if (*format == Format::json || *format == Format::yaml)
    print(stdout, *format == Format::json ? to_json(json_of(checks)) : to_yaml(json_of(checks)));
  else
    print(stdout, lines_of(checks, wants_colour(stdout)));
  const bool well =
      std::none_of(checks.begin(), checks.end(), [](const Check& c) { return c.status == "fail"; });
  return well ? kOk : kFailed;
}

}  // namespace

std::vector<Check> control_checks(const ControlClient& client) {
  const auto answer = client.ask(client.request("GET", "/api/status"));
  if (!answer) return {failed("control", answer.error().message)};
  const Json status = Json::parse(answer->body, nullptr, false);
  const std::string version = status.is_object() ? status.value("version", std::string()) : "";
  std::vector<Check> checks{
      {"control", "ok",
       "envgate-control " + version + (version.empty() ? "" : " ") + "answers at " + client.socket(), ""}};
  // Its answer has the time, where its head has none.
  std::string date = answer->date;
  if (date.empty() && status.is_object()) date = status.value("time", std::string());
  if (!date.empty()) checks.push_back(clock_check("control's clock", date, std::time(nullptr)));
  for (Check& check : own_checks(client)) checks.push_back(std::move(check));
  return checks;
}

std::vector<Check> gateway_checks(const std::string& socket, std::chrono::milliseconds patience) {
  HttpRequest ask;
  ask.patience = patience;
  ask.target = "/readyz";
  ask.server.other =
      "--gateway-socket PATH or $ENVGATE_ADMIN_SOCKET name another: the gateway's setting admin.socket";
  const auto ready = request(socket, ask);
  if (!ready) return {failed("gateway", ready.error().message)};
  std::vector<Check> checks{ready_check(*ready)};
  if (!ready->date.empty()) checks.push_back(clock_check("gateway's clock", ready->date, std::time(nullptr)));
  ask.target = "/status";
  const auto status = request(socket, ask);
  const Json json = status && status->status == 200 ? Json::parse(status->body, nullptr, false) : Json();
  if (!json.is_object() || !json.contains("certificates")) return checks;
  for (const Json& certificate : json["certificates"])
    checks.push_back(certificate_check(joined(certificate.at("names"), ", "),
                                       certificate.at("expires_in_seconds").get<double>()));
  return checks;
}

Check certificate_check(const std::string& names, double left) {
  Check check{"certificate", "ok", names + " expires in " + human_seconds(left), ""};
  if (left > kExpiresSoon) return check;
  check.status = left < 0 ? "fail" : "warn";
  if (left < 0) check.message = names + " expired " + human_seconds(-left) + " ago";
  check.remedy = "renew it, then: envctl gateway reload";
  return check;
}

// The date is in whole seconds, cut, and the answer took its time: a second of difference is none.
Check clock_check(const std::string& whose, const std::string& date, std::int64_t now) {
  std::tm parts{};
  if (!::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) &&
      !::strptime(date.c_str(), "%Y-%m-%dT%H:%M:%S", &parts))
    return {whose, "warn", "the date '" + date + "' is not understood", ""};
  const std::int64_t away = std::abs(static_cast<std::int64_t>(::timegm(&parts)) - now);
  const std::string message = std::to_string(away) + " s away from this machine's";
  if (away <= kClockWarns) return {whose, "ok", message, ""};
  return {whose, away > kClockFails ? "fail" : "warn", message,
          "let NTP set the clocks: timedatectl set-ntp true"};
}

Command doctor_command() {
  return {"doctor",
          "",
          0,
          0,
          kOptions,
          "Check this installation, and say what to do where something is wrong",
          "\nExit status 0: nothing fails (there may be warnings), 1: something does.\n",
          run};
}

}  // namespace envgate::cli
