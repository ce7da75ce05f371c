#include "control/api/handling.hpp"

#include <sodium.h>

#include <algorithm>
#include <charconv>

namespace envgate::control::api {
namespace {

// Of what makes two requests the same. A repetition may come from another process of the same account.
std::string hash_of(const Request& request) {
  const Caller& caller = request.caller;
  std::string text = request.method + '\n' + request.path;
  for (const auto& [name, value] : request.query) text += '\n' + name + '=' + value;
  text += "\n\n" + caller.account + '\n' + request.body;
  unsigned char digest[crypto_generichash_BYTES];
  crypto_generichash(digest, sizeof digest, reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  char hex[2 * sizeof digest + 1];
  return sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
}

json accepted_view(Context& context, const Accepted& done) {
  return {{"operation", operation_view(done.operation)},
          {"environment", environment_view(done.environment, context.settings.domain)}};
}

// The same answer once the operation has ended; nothing before.
std::optional<Response> ended(Context& context, const std::string& id, int status, bool with_environment) {
  auto now = context.database.read([&](store::Transaction& t) -> Result<Accepted> {
    auto operation = store::find_operation(t, id);
    if (!operation) return fail("gone", store::kNotFound);
    auto environment = store::find_environment(t, operation->environment);
    return Accepted{std::move(*operation), std::move(*environment)};
  });
  if (!now || !now->operation.ended()) return std::nullopt;
  return json_response(status,
                       with_environment ? accepted_view(context, *now) : operation_view(now->operation));
}

// "application/json", "application/merge-patch+json; charset=utf-8". Nothing said: it is taken for JSON.
bool says_json(std::string_view type) {
  std::string name(type.substr(0, type.find_first_of("; ")));
  for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return name.empty() || name == "application/json" || name.ends_with("+json");
}

bool is_number(std::string_view text) { return text.find_first_not_of("0123456789") == text.npos; }

}  // namespace

Answer<json> body_of(const Request& request) {
  if (request.body.empty()) return json::object();
  if (!says_json(request.content_type))
    return refuse(415, "unsupported_media_type",
                  "the body is said to be " + request.content_type + ": send application/json");
  auto tree = read_json(request.body);
  if (!tree)
    return refuse(400, "not_json", "the body is not JSON, nested deeper than 32, or names a field twice");
  return std::move(*tree);
}

Asked asked_of(const Request& request) {
  if (request.idempotency_key.empty()) return {request.caller.who, request.if_match, "", ""};
  // A key is its account's: another one's may be the same by chance.
  return {request.caller.who, request.if_match, request.caller.account + ": " + request.idempotency_key,
          hash_of(request)};
}

Response accepted(Context& context, const Request& request, const Answer<Accepted>& done) {
  if (!done) return problem_response(done.error(), request);
  Response response = json_response(202, accepted_view(context, *done));
  response.headers.emplace_back("Location", "/api/operations/" + done->operation.id);
  if (request.wait && !done->operation.ended()) {
    response.wait = *request.wait;
    response.later = [&context, id = done->operation.id] { return ended(context, id, 202, true); };
  }
  return response;
}

Answer<Paging> paging_of(const Request& request, std::initializer_list<std::string_view> sorts,
                         std::initializer_list<std::string_view> filters) {
  Paging paging;
  std::vector<WrongField> wrong;
  bool has_cursor = false;
  for (const auto& [name, value] : request.query) {
    const std::string at = "query " + name;
    if (name == "limit") {
      const auto read = std::from_chars(value.data(), value.data() + value.size(), paging.page.limit);
      if (read.ec != std::errc() || read.ptr != value.data() + value.size() || paging.page.limit < 1 ||
          paging.page.limit > 1000)
        wrong.push_back({at, "is not a whole number from 1 to 1000"});
    } else if (name == "sort") {
      paging.page.descending = value.starts_with('-');
      paging.sort = value.substr(paging.page.descending);
      if (std::find(sorts.begin(), sorts.end(), paging.sort) == sorts.end())
        wrong.push_back({at, "is not a field that this list is sorted by"});
    } else if (name == "cursor") {
      // "<id>.<key>": an id has no dot in it; the key is a time, or what else the list is sorted by.
      const auto dot = value.find('.');
      paging.page.after_id = value.substr(0, dot);
      paging.page.after_key = dot == std::string::npos ? "" : value.substr(dot + 1);
      has_cursor = true;
    } else if (std::find(filters.begin(), filters.end(), name) == filters.end()) {
      wrong.push_back({at, "is not a parameter that is known here"});
    }
  }
  const auto& [page, sort] = paging;
  if (has_cursor && (page.after_id.empty() || page.after_key.empty() ||
                     (sort == "created_at" && !is_number(page.after_key))))
    wrong.push_back({"query cursor", "is not a cursor of this list"});
  if (wrong.empty()) return paging;
  return tl::unexpected(Problem{422, "invalid", "the query has wrong parameters", std::move(wrong)});
}

std::string cursor_of(const std::string& key, const std::string& id) { return id + "." + key; }

}  // namespace envgate::control::api
