// /api/gateway: what gateways ask for an audited session, and for whoever comes to a stopped environment.
#include "base/ip.hpp"
#include "control/api/handling.hpp"
#include "control/lifecycle/codes.hpp"
#include "control/lifecycle/onward.hpp"

namespace envgate::control::api {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMostName = 128;

Response invalid(Fields fields, const Request& request) {
  return problem_response({422, "invalid", "the request has wrong fields", std::move(fields.errors)},
                          request);
}

bool printable(const std::string& text, char least) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return c >= least && c < 0x7f; });
}

std::string required(Fields& f, const Place& root, const char* name, std::size_t most, char least) {
  std::string text;
  const Place at = Fields::member(root, name);
  f.missing(at);
  f.text(at, most, text);
  if (at.exists() && (text.empty() || !printable(text, least)))
    f.wrong(at, least == ' ' ? "is not printable ASCII" : "is not printable ASCII without blanks");
  return text;
}

Response credentials(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields f;
  const Place root = Fields::root(*body);
  if (!body->is_object()) f.wrong(root, "is not an object");
  f.object(root, {"environment", "public_key", "customer", "source", "session"});
  CredentialRequest asked;
  asked.environment = required(f, root, "environment", 32, '!');
  asked.customer = required(f, root, "customer", kMostName, '!');
  asked.source = required(f, root, "source", 64, '!');
  asked.session = required(f, root, "session", kMostName, '!');
  if (f.good() && !IpAddress::parse(asked.source))
    f.wrong(Fields::member(root, "source"), "is not an IPv4 or IPv6 address");
  const auto blob = secrets::ed25519_blob(required(f, root, "public_key", 1024, ' '));
  if (f.good() && !blob) f.wrong(Fields::member(root, "public_key"), "is not \"ssh-ed25519 AAAA...\"");
  if (!f.good()) return invalid(std::move(f), request);
  asked.public_blob = *blob;
  const auto given = give_credential(context.database, context.box, asked, request.caller.who);
  context.committed();
  if (!given) return problem_response(given.error(), request);
  Response response = json_response(200, {{"user", given->user},
                                          {"credential", given->kind},
                                          {"secret", given->secret.reveal()},
                                          {"host_keys", given->host_keys}});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response totp(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields f;
  const Place root = Fields::root(*body);
  if (!body->is_object()) f.wrong(root, "is not an object");
  f.object(root, {"environment", "code"});
  const std::string environment = required(f, root, "environment", 32, '!');
  const std::string code = required(f, root, "code", 16, '!');
  if (!f.good()) return invalid(std::move(f), request);
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const auto good = check_code(context.database, context.box, environment, code, now, request.caller.who);
  context.committed();
  if (!good) return problem_response(good.error(), request);
  return json_response(200, {{"ok", *good}});
}

// ---- waking ----

json waking_view(const Context& context, const Waking& waking) {
  const store::Environment& e = waking.environment;
  json view = {{"state", "stopped"}, {"position", 0}, {"step", ""}, {"reason", ""}, {"operation", nullptr}};
  if (waking.operation) view["operation"] = waking.operation->id;
  const json progress = waking.operation ? json::parse(waking.operation->progress, nullptr, false) : json();
  if (progress.is_object()) view["step"] = progress.value("step", "");
  const bool wanted = e.desired == store::Desired::running;
  const bool failed = wanted && waking.operation && waking.operation->state == store::OperationState::failed;
  if (e.state == store::State::running && !e.address.empty()) {
    view["state"] = "running";
  } else if (failed || (wanted && e.state == store::State::failed)) {
    view["state"] = "failed";
    const json error = waking.operation ? json::parse(waking.operation->error, nullptr, false) : json();
    if (error.is_object()) view["reason"] = error.value("message", "");
  } else if (wanted) {
    view["state"] = "starting";
    view["position"] = context.reconciler.position(e.id);
  }
  return view;
}

Response wake(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields f;
  const Place root = Fields::root(*body);
  if (!body->is_object()) f.wrong(root, "is not an object");
  f.object(root, {"environment", "why"});
  const std::string environment = required(f, root, "environment", 32, '!');
  const std::string why = required(f, root, "why", kMostName, ' ');
  if (!f.good()) return invalid(std::move(f), request);
  Asked asked;
  asked.who = request.caller.who + ", to wake it: " + why;
  const auto waking = context.lifecycle.wake(environment, asked);
  if (!waking) return problem_response(waking.error(), request);
  const json view = waking_view(context, *waking);
  return json_response(view["state"] == "running" ? 200 : 202, view);
}

// Server-sent events, each the whole state, until it runs or will not.
class WakeStream final : public Stream {
 public:
  WakeStream(Context& context, std::string environment)
      : context_(context), environment_(std::move(environment)) {}

  bool next(std::string& out) override {
    if (ended_) return false;
    const auto waking = context_.lifecycle.waking(environment_);
    if (!waking) return false;
    const json view = waking_view(context_, *waking);
    ended_ = view["state"] != "starting";
    std::string text = write_json(view);
    const auto now = steady_clock::now();
    if (text != told_)
      out += "event: wake\ndata: " + text + "\n\n";
    else if (now - spoke_ >= std::chrono::seconds(15))
      out += ": still here\n\n";
    told_ = std::move(text);
    if (!out.empty()) spoke_ = now;
    return !ended_;
  }
  bool complete() const override { return ended_; }

 private:
  Context& context_;
  const std::string environment_;
  std::string told_;
  bool ended_ = false;
  steady_clock::time_point spoke_{};
};

Response watch(Context& context, const Request& request) {
  const auto waking = context.lifecycle.waking(request.names[0]);
  if (!waking) return problem_response(waking.error(), request);
  Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_unique<WakeStream>(context, request.names[0]);
  return response;
}

}  // namespace

std::vector<Operation> gateway_operations() {
  return {
      {"POST", "/api/gateway/credentials", Role::gateway, credentials,
       "What a gateway logs in to an audited environment with"},
      {"POST", "/api/gateway/totp", Role::gateway, totp, "Check a one-time code, which is good once"},
      {"POST", "/api/gateway/wake", Role::gateway, wake, "Start an environment that starts on demand"},
      {"GET", "/api/gateway/wake/{environment}", Role::gateway, watch,
       "Follow how it starts (server-sent events)"},
  };
}

}  // namespace envgate::control::api
