#include "control/api/message.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "control/lifecycle/fields.hpp"

namespace envgate::control::api {
namespace {

using nlohmann::json;

std::string_view title_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 429: return "Too Many Requests";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return status < 500 ? "Refused" : "Internal Server Error";
  }
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string_view to_string(Role role) {
  constexpr std::string_view names[] = {"none", "read", "gateway", "operate", "admin"};
  return names[static_cast<std::size_t>(role)];
}

std::string Request::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return "";
}

Response json_response(int status, const json& body) {
  Response response;
  response.status = status;
  response.body = write_json(body) + "\n";
  return response;
}

Response problem_response(const Problem& problem, const Request& request) {
  json body = {{"type", "about:blank"}, {"title", title_of(problem.status)}, {"status", problem.status},
               {"code", problem.code},  {"detail", problem.detail},          {"request_id", request.id}};
  if (!problem.errors.empty()) {
    body["errors"] = json::array();
    for (const WrongField& field : problem.errors)
      body["errors"].push_back({{"pointer", field.pointer}, {"message", field.message}});
  }
  Response response = json_response(problem.status, body);
  response.content_type = "application/problem+json";
  if (problem.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1, low = high < 0 ? -1 : hex(text[i + 2]);
    if (low < 0 || high * 16 + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return is_utf8(out) ? std::optional(std::move(out)) : std::nullopt;
}

namespace {

// In a query '+' is a blank, as forms and most programs' libraries write it (WHATWG URL, section 5.1).
std::optional<std::string> query_decode(std::string text) {
  std::replace(text.begin(), text.end(), '+', ' ');
  return percent_decode(text);
}

}  // namespace

bool take_target(std::string_view target, Request& request) {
  if (target.empty() || target[0] != '/') return false;
  const auto question = target.find('?');
  std::string_view path = target.substr(0, question);
  std::string_view query = question == std::string_view::npos ? "" : target.substr(question + 1);
  request.path = path;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto slash = path.find('/');
    auto segment = percent_decode(path.substr(0, slash));
    if (!segment) return false;
    request.segments.push_back(std::move(*segment));
    path = slash == std::string_view::npos ? "" : path.substr(slash);
  }
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? "" : query.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = query_decode(std::string(pair.substr(0, equals)));
    auto value = query_decode(equals == std::string_view::npos ? "" : std::string(pair.substr(equals + 1)));
    if (!name || !value) return false;
    request.query.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

}  // namespace envgate::control::api
