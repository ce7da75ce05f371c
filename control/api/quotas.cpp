// /api/quotas
#include "backends/words.hpp"
#include "control/api/handling.hpp"
#include "control/store/audit.hpp"

namespace envgate::control::api {
namespace {

constexpr unsigned long long kMostCores = 1 << 20;

struct Row {
  std::string owner;
  store::Quota quota, used;
};

Response list(Context& context, const Request& request) {
  const auto rows = read(context, [](store::Transaction& t) -> Result<std::vector<Row>> {
    std::vector<Row> all;
    for (auto& [owner, quota] : store::list_quotas(t))
      all.push_back({owner, quota, store::used_by(t, owner)});
    return all;
  });
  if (!rows) return problem_response(rows.error(), request);
  json answer = {{"quotas", json::array()}, {"next", nullptr}};
  for (const Row& row : *rows) answer["quotas"].push_back(quota_view(row.owner, row.quota, row.used));
  return json_response(200, answer);
}

Response show(Context& context, const Request& request) {
  const auto row = read(context, [&](store::Transaction& t) -> Result<Row> {
    const auto quota = store::find_quota(t, request.names[0]);
    if (!quota) return fail("owner " + request.names[0] + " has no quota", store::kNotFound);
    return Row{request.names[0], *quota, store::used_by(t, request.names[0])};
  });
  if (!row) return problem_response(row.error(), request);
  return json_response(200, quota_view(row->owner, row->quota, row->used));
}

Response put(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  const std::string& owner = request.names[0];
  Fields fields;
  const Place root = Fields::root(*body);
  if (!body->is_object()) fields.wrong(root, "is not an object");
  if (!backends::valid_owner(owner)) fields.wrong(root, "the owner is not 1 to 64 of [a-z0-9._-]");
  fields.object(root, {"owner", "cpu", "memory", "gpu", "storage", "environments", "used"});
  unsigned long long cpu = 0, memory = 0, gpu = 0, storage = 0, environments = 0;
  // No amount is an amount by accident.
  for (const char* name : {"cpu", "memory", "gpu", "storage", "environments"})
    fields.missing(Fields::member(root, name));
  fields.millis(Fields::member(root, "cpu"), kMostCores * 1000, cpu);
  fields.bytes(Fields::member(root, "memory"), memory);
  fields.whole(Fields::member(root, "gpu"), 0, 1 << 20, gpu);
  fields.bytes(Fields::member(root, "storage"), storage);
  fields.whole(Fields::member(root, "environments"), 0, 1 << 20, environments);
  if (!fields.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(fields.errors)},
                            request);
  const store::Quota quota{{static_cast<long long>(cpu), static_cast<long long>(memory),
                            static_cast<long long>(gpu), static_cast<long long>(storage)},
                           static_cast<long long>(environments)};
  const auto used = write(context, [&](store::Transaction& t) -> Result<store::Quota> {
    const auto before = store::find_quota(t, owner);
    const store::Quota in_use = store::used_by(t, owner);
    store::set_quota(t, owner, quota);
    store::append_audit(
        t, {request.caller.who, "quota", owner, before ? write_json(quota_view(owner, *before, in_use)) : "",
            write_json(quota_view(owner, quota, in_use)), "done"});
    return in_use;
  });
  if (!used) return problem_response(used.error(), request);
  return json_response(200, quota_view(owner, quota, *used));
}

Response remove(Context& context, const Request& request) {
  const auto gone = write(context, [&](store::Transaction& t) -> Result<bool> {
    const bool there = store::remove_quota(t, request.names[0]);
    if (there) store::append_audit(t, {request.caller.who, "quota_remove", request.names[0], "", "", "done"});
    return there;
  });
  if (!gone) return problem_response(gone.error(), request);
  if (!*gone) return not_found(request, "quota of " + request.names[0]);
  return json_response(200, {{"owner", request.names[0]}, {"removed", true}});
}

}  // namespace

std::vector<Operation> quota_operations() {
  return {
      {"GET", "/api/quotas", Role::read, list, "List owners' quotas and what is used"},
      {"GET", "/api/quotas/{owner}", Role::read, show, "Show an owner's quota"},
      {"PUT", "/api/quotas/{owner}", Role::admin, put, "Set an owner's quota"},
      {"DELETE", "/api/quotas/{owner}", Role::admin, remove, "Remove an owner's quota"},
  };
}

}  // namespace envgate::control::api
