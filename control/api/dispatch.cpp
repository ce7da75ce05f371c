#include <algorithm>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/utf8.hpp"
#include "control/api/context.hpp"
#include "control/api/handling.hpp"

namespace envgate::control::api {
namespace {

constexpr std::size_t kMostKey = 255;

// The pattern's segments against the request's: {...} stands for one that is not empty.
bool matches(std::string_view pattern, const Request& request, std::vector<std::string>& names) {
  names.clear();
  std::size_t at = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const auto slash = pattern.find('/');
    const std::string_view part = pattern.substr(0, slash);
    pattern = slash == std::string_view::npos ? "" : pattern.substr(slash);
    if (at >= request.segments.size()) return false;
    const std::string& segment = request.segments[at++];
    if (part.starts_with('{')) {
      if (segment.empty()) return false;
      names.push_back(segment);
    } else if (part != segment) {
      return false;
    }
  }
  return at == request.segments.size();
}

bool for_monitoring(std::string_view path) {
  return path == "/metrics" || path == "/healthz" || path == "/readyz";
}

// How a caller comes by a role.
std::string remedy_of(const Request& request, Role role) {
  const std::string name(to_string(role));
  if (request.door == Door::tls) return "envctl token create --role " + name + " makes one that has it";
  return "control.groups." + name + " says whose members have it";
}

void note(const Request& request, const Response& response, std::chrono::duration<double> took) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  metrics::counter("envgate_control_requests_total", "Requests to the API, by what they were answered.",
                   {{"code", std::to_string(response.status / 100) + "xx"}})
      .add();
  metrics::histogram(
      "envgate_control_request_seconds", "How long requests took, without what they waited for by choice.",
      {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5}, {{"kind", reads ? "read" : "change"}})
      .observe(took.count());
  log::debug("request")
      .text("request_id", request.id)
      .text("who", request.caller.who)
      .text("method", request.method)
      .text("path", request.path)
      .number("status", response.status);
}

Response answer(Context& context, Request& request) {
  if (request.idempotency_key.size() > kMostKey || !is_utf8(request.idempotency_key))
    return problem_response({422, "invalid", "Idempotency-Key is longer than 255 bytes, or not UTF-8", {}},
                            request);
  // RFC 9110, 9.3.2: HEAD is GET without the content, which the server leaves out.
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const Operation& operation : all_operations()) {
    if (!matches(operation.path, request, request.names)) continue;
    if (operation.method != method) {
      allowed.append(allowed.empty() ? "" : ", ").append(operation.method);
      if (operation.method == "GET") allowed += ", HEAD";
      continue;
    }
    if (request.caller.role < operation.role)
      return problem_response(
          {403,
           "forbidden",
           "this needs the role " + std::string(to_string(operation.role)) + ", and " + request.caller.who +
               " has " + std::string(to_string(request.caller.role)) + "; " +
               remedy_of(request, operation.role),
           {}},
          request);
    try {
      return operation.handle(context, request);
    } catch (const std::exception& error) {
      log::error("request_failed")
          .text("request_id", request.id)
          .text("path", request.path)
          .text("error", error.what());
      return problem_response(
          {500, "internal", "it failed in a way that was not foreseen; the log has it", {}}, request);
    }
  }
  if (allowed.empty())
    return problem_response({404, "not_found", "there is nothing at " + request.path, {}}, request);
  Response response =
      problem_response({405, "method_not_allowed", "here there is only " + allowed, {}}, request);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

const std::vector<Operation>& all_operations() {
  static const std::vector<Operation> all = [] {
    std::vector<Operation> table;
    for (const auto& part :
         {environment_operations(), change_operations(), quota_operations(), owner_operations(),
          gateway_operations(), machine_operations(), node_operations(), token_operations(),
          doctor_operations(), metrics_operations(), general_operations()})
      table.insert(table.end(), part.begin(), part.end());
    return table;
  }();
  return all;
}

std::optional<Response> admit(Context& context, Request& head) {
  if (head.door == Door::metrics && !for_monitoring(head.path))
    return problem_response({404, "not_found", "here are only /metrics, /healthz and /readyz", {}}, head);
  if (head.door != Door::tls || head.path == "/healthz") return std::nullopt;
  auto caller = caller_by_token(context, head);
  if (!caller) return problem_response(caller.error(), head);
  head.caller = std::move(*caller);
  return std::nullopt;
}

Response dispatch(Context& context, Request& request) {
  const auto begun = std::chrono::steady_clock::now();
  Response response = answer(context, request);
  note(request, response, std::chrono::steady_clock::now() - begun);
  return response;
}

}  // namespace envgate::control::api
