#include "gateway/admin/dispatch.hpp"

namespace envgate::admin {
namespace {

bool matches(std::string_view pattern, const std::vector<std::string>& segments, std::string& name) {
  for (const std::string& segment : segments) {
    if (!pattern.starts_with('/')) return false;
    pattern.remove_prefix(1);
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(wanted.size());
    if (wanted.starts_with('{')) {
      if (segment.empty()) return false;
      name = segment;
    } else if (wanted != segment) {
      return false;
    }
  }
  return pattern.empty();
}

std::string_view method_name(http::Method method) {
  switch (method) {
    case http::Method::get:
      return "GET, HEAD";
    case http::Method::post:
      return "POST";
    case http::Method::put:
      return "PUT";
    case http::Method::delete_:
      return "DELETE";
    default:
      return "";
  }
}

Response refuse(const Operation& operation, const Request& request) {
  if (!request.caller.local)
    return problem(404, request.path + " is not served here, but on the admin socket (envctl gateway)");
  return problem(403, "uid " + std::to_string(request.caller.uid) + " may not use " +
                          std::string(operation.path) +
                          ": root, the gateway's own account and the socket's group (admin.group) may");
}

}  // namespace

Wanted<const Operation*> find_operation(std::span<const Operation> table, Request& request) {
  const http::Method wanted = request.method == http::Method::head ? http::Method::get : request.method;
  std::string allow;
  for (const Operation& operation : table) {
    if (!matches(operation.path, request.segments, request.name)) continue;
    // Before the method: who may not ask learns nothing of what could be asked.
    if (operation.right != Right::open && !request.caller.allowed)
      return tl::unexpected(refuse(operation, request));
    if (operation.method == wanted) return &operation;
    allow.append(allow.empty() ? "" : ", ").append(method_name(operation.method));
  }
  if (allow.empty()) return tl::unexpected(problem(404, "there is no " + request.path + " in the admin API"));
  Response answer =
      problem(405, request.method_name + " " + request.path + " is not possible: " + allow + " is");
  answer.allow = allow;
  return tl::unexpected(std::move(answer));
}

}  // namespace envgate::admin
