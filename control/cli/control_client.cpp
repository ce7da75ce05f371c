#include "control/cli/control_client.hpp"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr const char* kDefaultSocket = "/run/envgate/control.sock";
constexpr std::size_t kPage = 1000;  // the most that control gives at once
constexpr int kAttempts = 5;
constexpr std::chrono::milliseconds kFirstPause{100};  // doubled each time: 1.5 s in all

std::string text_of(const Json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return "";
  return printable(found->is_string() ? found->get<std::string>() : found->dump());
}

std::string random_key() {
  static constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz012345";  // 32: five bits each, without bias
  unsigned char bytes[26];
  if (::getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) return "";
  std::string key = "envctl-";
  for (const unsigned char byte : bytes) key += kLetters[byte & 31];
  return key;
}

}  // namespace

std::string control_socket(const Invocation& call) {
  const char* const named = std::getenv("ENVGATE_CONTROL_SOCKET");
  return call.value("--socket", named && *named ? named : kDefaultSocket);
}

Refusal refusal_of(const HttpAnswer& answer) {
  const ExitCode exit = exit_code_of(answer.status);
  const Json json = Json::parse(answer.body, nullptr, false);
  const std::string http = "HTTP " + std::to_string(answer.status);
  if (!json.is_object() || !json.contains("detail"))
    return {"envgate-control answered " + http + " without a reason", exit, false};
  const std::string code = text_of(json, "code"), request_id = text_of(json, "request_id");
  std::string out = (code.empty() ? "" : code + ": ") + text_of(json, "detail") + "\n";
  if (const auto errors = json.find("errors"); errors != json.end() && errors->is_array())
    for (const Json& error : *errors)
      out += error.is_object()
                 ? "  " + text_of(error, "pointer") + ": " + text_of(error, "message") + "\n"
                 : "  " + printable(error.is_string() ? error.get<std::string>() : error.dump()) + "\n";
  return {out + "  (" + http + (request_id.empty() ? "" : ", request " + request_id) + ")\n", exit, false};
}

Refusal refusal_of(const HttpFailure& failure) {
  return {failure.message, kFailed, failure.unreachable || failure.broke_off};
}

Asked<ControlClient> ControlClient::of(const Invocation& call) {
  const auto seconds = whole_number(call, "--timeout", 60);
  if (!seconds) return tl::unexpected(seconds.error());
  const auto most = std::min<std::size_t>(*seconds, 1'000'000);
  return ControlClient(control_socket(call), std::chrono::seconds(most));
}

HttpRequest ControlClient::request(std::string method, std::string target) const {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.patience = patience_;
  request.server = kControlServer;
  return request;
}

// A GET changes nothing, and a POST has a key by which control knows it again: those two can be repeated. The
// first attempt must have reached it, else nobody is there.
Asked<HttpAnswer> ControlClient::ask(const HttpRequest& request) const {
  const bool repeatable = request.method == "GET" ||
                          std::any_of(request.headers.begin(), request.headers.end(),
                                      [](const auto& header) { return header.first == "Idempotency-Key"; });
  auto answer = cli::request(socket_, request);
  auto pause = kFirstPause;
  bool broke_off = !answer && answer.error().broke_off;
  for (int attempt = 1; attempt < kAttempts && repeatable && broke_off && !answer; ++attempt, pause *= 2) {
    std::this_thread::sleep_for(pause);
    answer = cli::request(socket_, request);
  }
  if (!answer) return tl::unexpected(refusal_of(answer.error()));
  if (answer->status >= 300) return tl::unexpected(refusal_of(*answer));
  return std::move(*answer);
}

Asked<Json> json_of(const HttpAnswer& answer) {
  if (answer.body.empty()) return Json();
  Json json = Json::parse(answer.body, nullptr, false);
  if (json.is_discarded())
    return refuse("the answer is not understood; is envgate-control of another version? (it is not JSON)");
  return json;
}

Asked<Json> ControlClient::get(const std::string& target) const {
  return ask(request("GET", target)).and_then(json_of);
}

Asked<Json> ControlClient::change(const Change& change) const {
  HttpRequest asked = request(change.method, change.target);
  asked.body = change.body;
  asked.content_type = change.content_type;
  if (!change.if_match.empty()) asked.headers.emplace_back("If-Match", change.if_match);
  const std::string key = change.key.empty() && change.method == "POST" ? random_key() : change.key;
  if (!key.empty()) asked.headers.emplace_back("Idempotency-Key", key);
  return ask(asked).and_then(json_of);
}

Asked<Json> ControlClient::list(const std::string& target, const std::string& member,
                                std::size_t limit) const {
  Json all = Json::array();
  std::string cursor;
  do {
    std::string page = target + (target.find('?') == target.npos ? "?" : "&") +
                       "limit=" + std::to_string(std::min(kPage, limit - all.size()));
    if (!cursor.empty()) page += "&cursor=" + encode_segment(cursor);
    auto answer = get(page);
    if (!answer) return answer;
    const std::size_t before = all.size();
    for (Json& entry : answer->at(member)) all.push_back(std::move(entry));
    const auto next = answer->find("next");
    cursor = next == answer->end() || next->is_null() ? "" : next->get<std::string>();
    // A cursor that brings nothing could go on for ever.
    if (!cursor.empty() && all.size() == before)
      return refuse("the list does not end: a page of it is empty and names another");
  } while (!cursor.empty() && all.size() < limit);
  return Json{{member, std::move(all)}};
}

Asked<std::size_t> whole_number(const Invocation& call, std::string_view option, std::size_t fallback,
                                std::size_t least) {
  if (!call.has(option)) return fallback;
  const std::string text = call.value(option);
  std::size_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && number >= least) return number;
  return refuse(
      std::string(option) + " '" + text + "' is not a whole number from " + std::to_string(least) + " on",
      kMisuse);
}

}  // namespace envgate::cli
