// /api/operations, /api/events, /api/routes
#include <charconv>

#include "control/api/handling.hpp"
#include "control/lifecycle/route_body.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kBatch = 1000;

Response list_operations(Context& context, const Request& request) {
  const auto paging = paging_of(request, {"created_at"}, {"environment", "state"});
  if (!paging) return problem_response(paging.error(), request);
  store::PageRequest page = paging->page;
  ++page.limit;
  const store::OperationFilter filter{request.parameter("environment"), request.parameter("state")};
  auto rows = read(context, [&](store::Transaction& t) -> Result<std::vector<store::Operation>> {
    return store::list_operations(t, filter, page);
  });
  if (!rows) return problem_response(rows.error(), request);
  json answer = {{"operations", json::array()}, {"next", nullptr}};
  if (rows->size() == page.limit) {
    rows->pop_back();
    answer["next"] = cursor_of(std::to_string(rows->back().created), rows->back().id);
  }
  for (const store::Operation& operation : *rows) answer["operations"].push_back(operation_view(operation));
  return json_response(200, answer);
}

Answer<std::optional<store::Operation>> find(Context& context, const std::string& id) {
  return read(context, [&](store::Transaction& t) -> Result<std::optional<store::Operation>> {
    return store::find_operation(t, id);
  });
}

Response show_operation(Context& context, const Request& request) {
  const auto operation = find(context, request.names[0]);
  if (!operation) return problem_response(operation.error(), request);
  if (!*operation) return not_found(request, "operation " + request.names[0]);
  Response response = json_response(200, operation_view(**operation));
  if (!request.wait || (*operation)->ended()) return response;
  response.wait = *request.wait;
  response.later = [&context, id = request.names[0]]() -> std::optional<Response> {
    const auto now = find(context, id);
    if (!now || !*now || !(*now)->ended()) return std::nullopt;
    return json_response(200, operation_view(**now));
  };
  return response;
}

// ---- server-sent events (WHATWG HTML, "Server-sent events") ----

class EventStream final : public Stream {
 public:
  EventStream(Context& context, std::string environment, long long after)
      : context_(context), environment_(std::move(environment)), after_(after) {}

  bool next(std::string& out) override {
    const auto kept = read(context_, [&](store::Transaction& t) -> Result<Kept> {
      const long long newest = store::newest_event(t), before = store::oldest_event(t) - 1;
      // Some were cut off, or the database was put back and numbers its events anew.
      const bool lost = after_ > newest || (after_ != 0 && after_ < before);
      return Kept{lost, before, newest, store::events_after(t, lost ? before : after_, environment_, kBatch)};
    });
    if (!kept) return false;
    if (kept->lost) tell({kept->before, store::now_ms(), "", "events_lost", "{}"}, out);
    for (const store::Event& event : kept->events) tell(event, out);
    if (kept->events.size() < kBatch) after_ = kept->newest;  // past those of other environments, too
    const auto now = steady_clock::now();
    if (out.empty() && now - spoke_ >= std::chrono::seconds(15)) out = ": still here\n\n";
    if (!out.empty()) spoke_ = now;
    return true;
  }

 private:
  struct Kept {
    bool lost;
    long long before, newest;  // the number before the oldest; the newest one's
    std::vector<store::Event> events;
  };
  void tell(const store::Event& event, std::string& out) {
    out += "id: " + std::to_string(event.seq) + "\nevent: " + event.kind +
           "\ndata: " + write_json(event_view(event)) + "\n\n";
    after_ = event.seq;
  }

  Context& context_;
  const std::string environment_;
  long long after_;
  steady_clock::time_point spoke_{};
};

Response events(Context& context, const Request& request) {
  const std::string from = request.last_event_id.empty() ? request.parameter("after") : request.last_event_id;
  long long after = -1;
  if (!from.empty()) {
    const auto parsed = std::from_chars(from.data(), from.data() + from.size(), after);
    if (parsed.ec != std::errc() || parsed.ptr != from.data() + from.size() || after < 0)
      return problem_response({422, "invalid", "Last-Event-ID is not the number of an event", {}}, request);
  } else {
    const auto newest =
        read(context, [](store::Transaction& t) -> Result<long long> { return store::newest_event(t); });
    if (!newest) return problem_response(newest.error(), request);
    after = *newest;
  }
  Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_unique<EventStream>(context, request.parameter("environment"), after);
  return response;
}

// ---- the gateways' feed: README.md ----

class FeedStream final : public Stream {
 public:
  FeedStream(Context& context, bool verifiers) : context_(context), verifiers_(verifiers) {}

  bool next(std::string& out) override {
    const auto now = steady_clock::now();
    if (generation_ < 0) {
      if (!begin(out)) return false;
    } else {
      const auto changes = read(
          context_, [&](store::Transaction& t) -> Result<std::optional<std::vector<store::RouteChange>>> {
            return store::route_changes(t, generation_, kBatch);
          });
      if (!changes || !*changes) return false;  // cut off meanwhile: it begins again
      for (const store::RouteChange& change : **changes) {
        const std::string head = ",\"generation\":" + std::to_string(change.generation);
        if (change.route.empty())
          out += R"({"type":"gone")" + head + ",\"env\":\"" + change.environment + "\"}\n";
        else
          out += R"({"type":"route")" + head + ",\"route\":" + shown(change.route) + "}\n";
        generation_ = change.generation;
      }
      if (out.empty() && now - spoke_ >= std::chrono::seconds(1))
        out = R"({"type":"alive","generation":)" + std::to_string(generation_) + "}\n";
    }
    if (!out.empty()) spoke_ = now;
    return true;
  }

 private:
  bool begin(std::string& out) {
    const auto all = read(
        context_, [](store::Transaction& t) -> Result<store::RouteSnapshot> { return store::all_routes(t); });
    if (!all) return false;
    generation_ = all->generation;
    const std::string number = std::to_string(generation_);
    out = R"({"type":"begin","install":")" + context_.install + "\",\"generation\":" + number + "}\n";
    for (const std::string& route : all->routes) out += R"({"type":"route","route":)" + shown(route) + "}\n";
    out += R"({"type":"end","generation":)" + number + "}\n";
    return true;
  }

  std::string shown(const std::string& route) const { return verifiers_ ? route : without_verifiers(route); }

  Context& context_;
  const bool verifiers_;
  long long generation_ = -1;  // not begun
  steady_clock::time_point spoke_{};
};

Response routes(Context& context, const Request& request) {
  if (request.parameter("watch") == "1") {
    Response response;
    response.content_type = "application/x-ndjson";
    response.stream = std::make_unique<FeedStream>(context, request.caller.role >= Role::gateway);
    return response;
  }
  const auto all = read(
      context, [](store::Transaction& t) -> Result<store::RouteSnapshot> { return store::all_routes(t); });
  if (!all) return problem_response(all.error(), request);
  Response response;
  response.body = "{\"generation\":" + std::to_string(all->generation) + ",\"install\":\"" + context.install +
                  "\",\"routes\":[";
  for (std::size_t i = 0; i < all->routes.size(); ++i)
    response.body += (i ? "," : "") + without_verifiers(all->routes[i]);
  response.body += "]}\n";
  return response;
}

}  // namespace

std::vector<Operation> change_operations() {
  return {
      {"GET", "/api/operations", Role::read, list_operations, "List operations"},
      {"GET", "/api/operations/{id}", Role::read, show_operation, "Show an operation, or wait for its end"},
      {"GET", "/api/events", Role::read, events, "Follow events (server-sent events)"},
      {"GET", "/api/routes", Role::read, routes, "All routes, or the gateways' feed"},
  };
}

}  // namespace envgate::control::api
