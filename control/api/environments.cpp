// /api/environments
#include <algorithm>

#include "control/api/handling.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/store/audit.hpp"

namespace envgate::control::api {
namespace {

json view(Context& context, const store::Environment& e) {
  return environment_view(e, context.settings.domain);
}

Response create(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  const bool dry_run = request.parameter("dry_run") == "1";
  const auto done = context.lifecycle.create(*body, asked_of(request), dry_run);
  if (!done || !dry_run) return accepted(context, request, done);
  return json_response(200, {{"valid", true}, {"environment", view(context, done->environment)}});
}

Response list(Context& context, const Request& request) {
  const auto paging =
      paging_of(request, {"created_at", "name"}, {"owner", "state", "backend", "name", "node", "deleted"});
  if (!paging) return problem_response(paging.error(), request);
  store::EnvironmentFilter filter;
  filter.owner = request.parameter("owner");
  filter.state = request.parameter("state");
  filter.backend = request.parameter("backend");
  filter.name = request.parameter("name");
  filter.node = request.parameter("node");
  filter.deleted = request.parameter("deleted") == "1";
  const store::Order order = paging->sort == "name" ? store::Order::name : store::Order::created;
  store::PageRequest page = paging->page;
  ++page.limit;  // whether there is another page
  auto rows = read(context, [&](store::Transaction& t) -> Result<std::vector<store::Environment>> {
    return store::list_environments(t, filter, order, page);
  });
  if (!rows) return problem_response(rows.error(), request);
  json answer = {{"environments", json::array()}, {"next", nullptr}};
  if (rows->size() == page.limit) {
    rows->pop_back();
    const store::Environment& last = rows->back();
    answer["next"] =
        cursor_of(order == store::Order::name ? last.name : std::to_string(last.created), last.id);
  }
  for (const store::Environment& e : *rows) answer["environments"].push_back(view(context, e));
  return json_response(200, answer);
}

Response show(Context& context, const Request& request) {
  const auto e = read(context, [&](store::Transaction& t) -> Result<std::optional<store::Environment>> {
    return store::find_environment(t, request.names[0]);
  });
  if (!e) return problem_response(e.error(), request);
  if (!*e) return not_found(request, "environment " + request.names[0]);
  Response response = json_response(200, view(context, **e));
  response.headers.emplace_back("ETag", "\"" + std::to_string((*e)->version) + "\"");
  return response;
}

Response patch(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  return accepted(context, request, context.lifecycle.patch(request.names[0], *body, asked_of(request)));
}

Response remove(Context& context, const Request& request) {
  std::optional<backends::Volumes> volumes;
  const std::string wanted = request.parameter("volumes");
  if (wanted == "keep")
    volumes = backends::Volumes::keep;
  else if (wanted == "remove")
    volumes = backends::Volumes::remove;
  else if (!wanted.empty())
    return problem_response(
        {422, "invalid", "volumes is neither keep nor remove", {{"query volumes", "keep or remove"}}},
        request);
  return accepted(context, request, context.lifecycle.remove(request.names[0], volumes, asked_of(request)));
}

Response start(Context& context, const Request& request) {
  return accepted(context, request, context.lifecycle.start(request.names[0], asked_of(request)));
}
Response stop(Context& context, const Request& request) {
  return accepted(context, request, context.lifecycle.stop(request.names[0], asked_of(request)));
}
Response restart(Context& context, const Request& request) {
  return accepted(context, request, context.lifecycle.restart(request.names[0], asked_of(request)));
}
Response rotate(Context& context, const Request& request) {
  return accepted(context, request, context.lifecycle.rotate(request.names[0], asked_of(request)));
}

Response rebuild(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields fields;
  std::string image;
  const Place root = Fields::root(*body);
  if (!body->is_object()) fields.wrong(root, "is not an object");
  fields.object(root, {"image"});
  fields.text(Fields::member(root, "image"), 512, image);
  if (!fields.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(fields.errors)},
                            request);
  return accepted(context, request, context.lifecycle.rebuild(request.names[0], image, asked_of(request)));
}

Response access(Context& context, const Request& request) {
  const auto access = context.lifecycle.access(request.names[0], asked_of(request));
  if (!access) return problem_response(access.error(), request);
  Response response = json_response(200, access_view(*access, context.settings));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

// A one-use URL: the gateway checks the ticket by the key that both have, and asks nobody.
Response ticket(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields fields;
  const Place root = Fields::root(*body);
  unsigned long long port = 0;
  if (!body->is_object()) fields.wrong(root, "is not an object");
  fields.object(root, {"port"});
  fields.missing(Fields::member(root, "port"));
  fields.whole(Fields::member(root, "port"), 1, 65535, port);
  if (!fields.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(fields.errors)},
                            request);
  if (!context.tickets)
    return problem_response({409,
                             "no_ticket_key",
                             "private ports are not set up: set control.tickets.key_file, and the gateway's"
                             " private.key_file to the same file",
                             {}},
                            request);
  const std::string& id = request.names[0];
  const auto found = write(context, [&](store::Transaction& t) -> Result<store::Environment> {
    auto e = store::find_environment(t, id);
    if (!e || e->desired == store::Desired::deleted)
      return fail("there is no environment " + id, store::kNotFound);
    const auto ports = stored_spec(*e).ports;
    const bool is_private = std::any_of(ports.begin(), ports.end(), [&](const PortSpec& p) {
      return p.port == port && p.access == PortSpec::Access::restricted;
    });
    if (!is_private)
      return fail("port " + std::to_string(port) + " of environment " + id + " is not a private port",
                  store::kInvalid);
    store::append_audit(t, {request.caller.who, "ticket", id, "", std::to_string(port), "done"});
    return std::move(*e);
  });
  if (!found) return problem_response(found.error(), request);
  const auto expires = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) +
                       std::chrono::ceil<std::chrono::seconds>(context.control().tickets.lifetime);
  const auto number = static_cast<std::uint16_t>(port);
  const std::string text =
      routing::sign_ticket(*context.tickets, *routing::EnvId::parse(id), number, expires);
  Response response = json_response(
      201, {{"url", port_url(id, number, context.settings) + ".well-known/envgate/open?ticket=" + text},
            {"expires_at", timestamp_of(expires.time_since_epoch().count() * 1000)}});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

std::vector<Operation> environment_operations() {
  return {
      {"POST", "/api/environments", Role::operate, create, "Create an environment"},
      {"GET", "/api/environments", Role::read, list, "List environments"},
      {"GET", "/api/environments/{id}", Role::read, show, "Show an environment"},
      {"PATCH", "/api/environments/{id}", Role::operate, patch,
       "Change an environment's name, spec or policy"},
      {"DELETE", "/api/environments/{id}", Role::operate, remove, "Delete an environment"},
      {"POST", "/api/environments/{id}/start", Role::operate, start, "Start an environment"},
      {"POST", "/api/environments/{id}/stop", Role::operate, stop, "Stop an environment"},
      {"POST", "/api/environments/{id}/restart", Role::operate, restart, "Restart an environment"},
      {"POST", "/api/environments/{id}/rebuild", Role::operate, rebuild, "Make an environment anew"},
      {"POST", "/api/environments/{id}/rotate", Role::operate, rotate, "Give an environment a new password"},
      {"POST", "/api/environments/{id}/tickets", Role::operate, ticket, "Open a private port, once"},
      {"GET", "/api/environments/{id}/access", Role::operate, access, "Show how a customer gets in"},
  };
}

}  // namespace envgate::control::api
