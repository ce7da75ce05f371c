#include <algorithm>
#include <charconv>

#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/admin/sessions.hpp"
#include "gateway/gateway.hpp"
#include "gateway/ssh/recorder/index.hpp"
#include "gateway/ssh/recorder/recorder.hpp"

namespace envgate::admin {
namespace {

constexpr std::uint64_t kLargestId = ~std::uint64_t{0} >> 11;  // what a JSON number holds exactly

Wanted<SessionFilter> read_filter(const Request& request) {
  SessionFilter filter;
  if (const std::string* const env = request.parameter("env")) {
    filter.env = routing::EnvId::parse(*env);
    if (!filter.env)
      return tl::unexpected(
          problem(400, "env: '" + *env + "' is not an environment's id: 1 to 32 of a-z and 0-9", "env"));
  }
  const std::string* const protocol = request.parameter("protocol");
  if (!protocol) return filter;
  std::string names;
  for (int i = 0; i < 5; ++i) {
    const auto one = static_cast<gateway::Protocol>(i);
    if (*protocol == to_string(one)) filter.protocol = one;
    names.append(names.empty() ? "" : ", ").append(to_string(one));
  }
  if (filter.protocol) return filter;
  return tl::unexpected(problem(400, "protocol: '" + *protocol + "' is not one of " + names, "protocol"));
}

void write_session(JsonWriter& json, const SessionFacts& session) {
  const auto age = std::chrono::steady_clock::now() - session.started;
  json.begin_object().number("id", session.id).text("protocol", to_string(session.protocol));
  if (session.route) {
    json.text("environment", session.route->env.view()).text("kind", to_string(session.route->kind));
    json.text("target", session.target ? session.target->to_string() : session.route->address.to_string());
  } else {
    json.key("environment").null().key("kind").null().key("target").null();  // not known yet
  }
  json.text("client", session.client.to_string()).text("state", session.busy ? "busy" : "idle");
  json.number("bytes_to_target", session.to_target).number("bytes_to_client", session.to_client);
  json.number("requests", session.requests);
  json.text("started", timestamp(std::chrono::system_clock::now() -
                                 std::chrono::duration_cast<std::chrono::system_clock::duration>(age)));
  json.real("duration_seconds", std::chrono::duration<double>(age).count()).end_object();
}

// By its number, or by the id of its record.
Wanted<std::uint64_t> session_number(Context& context, const std::string& name) {
  if (ssh::recorder::is_id(name)) {
    const ssh::recorder::Recorder* const recorder = context.gateway.recorder();
    const auto number = recorder ? recorder->number_of(name) : std::nullopt;
    if (number) return *number;
    return tl::unexpected(problem(404, "the session of record " + name + " is not open", "id"));
  }
  std::uint64_t id = 0;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, id);
  if (read.ec == std::errc() && read.ptr == end) return id;
  return tl::unexpected(problem(400,
                                "id: '" + name + "' is neither a session's number, as GET /sessions lists " +
                                    "them, nor the id of its record",
                                "id"));
}

}  // namespace

Response get_sessions(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({"env", "protocol", "after", "limit"})) return *refused;
  const auto filter = read_filter(request);
  if (!filter) return filter.error();
  const auto limit = request.number("limit", 1, kLargestPage, kDefaultPage);
  if (!limit) return limit.error();
  const auto after = request.number("after", 0, kLargestId, 0);
  if (!after) return after.error();

  auto sessions = collect_sessions(context.gateway.workers(), *filter);
  const std::size_t total = sessions.size();
  std::erase_if(sessions, [&](const SessionFacts& session) { return session.id <= *after; });
  std::sort(sessions.begin(), sessions.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const std::size_t count = std::min<std::size_t>(sessions.size(), *limit);
  JsonWriter json;
  json.begin_object().key("sessions").begin_array();
  for (std::size_t i = 0; i < count; ++i) write_session(json, sessions[i]);
  json.end_array().key("next");
  if (count < sessions.size())
    json.number(sessions[count - 1].id);
  else
    json.null();
  json.number("total", total).end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

Response delete_session(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const auto id = session_number(context, request.name);
  if (!id) return id.error();
  switch (kill_session(context.gateway.workers(), *id)) {
    case Kill::unknown:
      return problem(404, "there is no session " + request.name + ": it may have ended", "id");
    case Kill::unanswered:
      return problem(503, "the worker of session " + request.name + " does not answer; try again");
    case Kill::done: break;
  }
  JsonWriter json;
  json.begin_object().number("killed", *id).end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

Response post_drain(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  context.gateway.drain();
  const auto limit = context.gateway.snapshot()->values.timeouts.drain;
  JsonWriter json;
  json.begin_object().boolean("draining", true).number("connections", context.gateway.open_connections());
  json.real("limit_seconds", std::chrono::duration<double>(limit).count()).end_object();
  return {202, "application/json", std::move(json).finish(), {}};
}

}  // namespace envgate::admin
