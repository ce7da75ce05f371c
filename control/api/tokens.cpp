// /api/tokens, and who calls by one.
#include "control/store/tokens.hpp"

#include "base/metrics.hpp"
#include "control/api/handling.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/secrets/random.hpp"
#include "control/store/audit.hpp"
#include "control/store/now.hpp"
#include "routing/timestamp.hpp"

namespace envgate::control::api {
namespace {

using store::Token;

constexpr std::size_t kMostToken = 128;
constexpr long long kUseNoted = 60'000;  // ms: a token's last use is kept no finer than this

constexpr Role kRoles[] = {Role::read, Role::gateway, Role::operate, Role::admin};

Role role_of(const std::string& text) {
  for (const Role role : kRoles)
    if (text == to_string(role)) return role;
  return Role::none;
}

json view_of(const Token& token) {
  const auto time = [](long long at) { return at == 0 ? json(nullptr) : json(timestamp_of(at)); };
  return {{"id", token.id},
          {"name", token.name},
          {"role", token.role},
          {"created_at", time(token.created)},
          {"expires_at", time(token.expires)},
          {"used_at", time(token.used)}};
}

Response list(Context& context, const Request& request) {
  const auto tokens = read(
      context, [](store::Transaction& t) -> Result<std::vector<Token>> { return store::list_tokens(t); });
  if (!tokens) return problem_response(tokens.error(), request);
  json answer = {{"tokens", json::array()}, {"next", nullptr}};
  for (const Token& token : *tokens) answer["tokens"].push_back(view_of(token));
  return json_response(200, answer);
}

Response create(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields f;
  const Place root = Fields::root(*body);
  if (!body->is_object()) f.wrong(root, "is not an object");
  f.object(root, {"name", "role", "expires_at"});
  Token token;
  std::string expires;
  Role role = Role::read;
  const Place name = Fields::member(root, "name"), until = Fields::member(root, "expires_at");
  f.missing(name);
  f.text(name, 64, token.name);
  if (name.exists() && !valid_name(token.name)) f.wrong(name, "is not 1 to 64 printable characters");
  f.choice<Role>(
      Fields::member(root, "role"),
      {{"read", Role::read}, {"gateway", Role::gateway}, {"operate", Role::operate}, {"admin", Role::admin}},
      role);
  f.text(until, 64, expires);
  const long long now = store::now_ms();
  if (!expires.empty()) {
    const auto at = routing::parse_timestamp(expires);
    if (!at || *at * 1000 <= now)
      f.wrong(until, "is not a time to come, such as 2030-01-31T00:00:00Z");
    else
      token.expires = *at * 1000;
  }
  if (!f.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(f.errors)}, request);
  const std::string text = secrets::make_token();
  token.id = secrets::make_id();
  token.hash = secrets::hash_of_token(text);
  token.role = to_string(role);
  token.created = now;
  const auto made = write(context, [&](store::Transaction& t) -> Result<bool> {
    store::insert_token(t, token);
    store::append_audit(
        t, {request.caller.who, "token_create", token.id, "", write_json(view_of(token)), "done"});
    return true;
  });
  if (!made) return problem_response(made.error(), request);
  json answer = view_of(token);
  answer["token"] = text;  // this once
  return json_response(201, answer);
}

Response remove(Context& context, const Request& request) {
  const std::string& id = request.names[0];
  const auto gone = write(context, [&](store::Transaction& t) -> Result<Token> {
    auto token = store::find_token(t, id);
    if (!token) return fail("there is no token " + id, store::kNotFound);
    store::remove_token(t, id);
    store::append_audit(t, {request.caller.who, "token_remove", id, write_json(view_of(*token)), "", "done"});
    return std::move(*token);
  });
  return gone ? json_response(200, view_of(*gone)) : problem_response(gone.error(), request);
}

Problem unauthorized(const char* reason, std::string detail) {
  metrics::counter("envgate_control_tokens_refused_total", "Requests over TLS without a good token.",
                   {{"reason", reason}})
      .add();
  return {401,
          "unauthorized",
          std::move(detail) + ": send Authorization: Bearer TOKEN (envctl token create)",
          {}};
}

}  // namespace

Answer<Caller> caller_by_token(Context& context, const Request& request) {
  if (request.bearer.empty()) return tl::unexpected(unauthorized("missing", "this needs a token"));
  if (request.bearer.size() > kMostToken) return tl::unexpected(unauthorized("unknown", "no such token"));
  const std::string hash = secrets::hash_of_token(request.bearer);
  const auto token = read(context, [&](store::Transaction& t) -> Result<std::optional<Token>> {
    return store::token_by_hash(t, hash);
  });
  if (!token) return tl::unexpected(token.error());
  const long long now = store::now_ms();
  if (!*token) return tl::unexpected(unauthorized("unknown", "no such token"));
  const Token& found = **token;
  if (found.expires != 0 && found.expires <= now)
    return tl::unexpected(unauthorized("expired", "the token " + found.name + " has expired"));
  if (now - found.used > kUseNoted)
    (void)context.database.transaction([&](store::Transaction& t) -> Result<void> {
      store::note_token_use(t, found.id, now);
      return {};
    });
  return Caller{"token " + found.id, "token " + found.name + " (" + found.id + ") from " + request.peer,
                role_of(found.role)};
}

std::vector<Operation> token_operations() {
  return {
      {"GET", "/api/tokens", Role::admin, list, "List the tokens of the TLS listener"},
      {"POST", "/api/tokens", Role::admin, create, "Make a token; it is shown this once"},
      {"DELETE", "/api/tokens/{id}", Role::admin, remove, "Take a token back"},
  };
}

}  // namespace envgate::control::api
