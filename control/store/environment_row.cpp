#include "control/store/environment_row.hpp"

#include "base/check.hpp"

namespace envgate::control::store {
namespace {

constexpr std::string_view kDesired[] = {"running", "stopped", "deleted"};
constexpr std::string_view kStates[] = {"creating", "starting", "running",  "stopping",
                                        "stopped",  "failed",   "deleting", "deleted"};

template <typename T, std::size_t N>
T find_word(const std::string_view (&words)[N], const std::string& text) {
  for (std::size_t i = 0; i < N; ++i)
    if (words[i] == text) return static_cast<T>(i);
  throw std::runtime_error("the database has an unknown word: " + text);  // caught by Database::run
}

}  // namespace

std::string_view to_string(Desired desired) { return kDesired[static_cast<std::size_t>(desired)]; }
std::string_view to_string(State state) { return kStates[static_cast<std::size_t>(state)]; }
Desired desired_of(const std::string& text) { return find_word<Desired>(kDesired, text); }
State state_of(const std::string& text) { return find_word<State>(kStates, text); }

}  // namespace envgate::control::store

namespace soci {

using namespace envgate::control::store;

namespace {
// One list for both directions, so that a column is not forgotten in one of them.
template <typename E, typename Visit>
void each_column(E& e, Visit visit) {
  visit("id", e.id), visit("name", e.name), visit("owner", e.owner), visit("backend", e.backend);
  visit("node", e.node), visit("spec", e.spec), visit("policy", e.policy);
  visit("conditions", e.conditions), visit("generation", e.generation), visit("version", e.version);
  visit("cpu_millis", e.resources.cpu_millis), visit("memory_bytes", e.resources.memory_bytes);
  visit("gpus", e.resources.gpus), visit("storage_bytes", e.resources.storage_bytes);
  visit("address", e.address), visit("published", e.published), visit("instance", e.instance);
  visit("image_digest", e.image_digest), visit("login_version", e.login_version);
  visit("login_set", e.login_set), visit("login_instance", e.login_instance);
  visit("restarts_wanted", e.restarts_wanted), visit("restarts_done", e.restarts_done);
  visit("verifier", e.verifier), visit("onward_key", e.onward_key), visit("host_keys", e.host_keys);
  visit("ssh_server", e.ssh_server), visit("host_keys_instance", e.host_keys_instance);
  visit("route", e.route), visit("created", e.created), visit("updated", e.updated);
  visit("started", e.started), visit("deleted", e.deleted);
}
}  // namespace

void type_conversion<Environment>::from_base(const values& row, indicator, Environment& e) {
  each_column(e, [&](const char* name, auto& field) {
    field = row.get<std::remove_reference_t<decltype(field)>>(name);
  });
  e.desired = desired_of(row.get<std::string>("desired"));
  e.state = state_of(row.get<std::string>("state"));
  e.holds_compute = row.get<long long>("holds_compute") != 0;
  e.ssh_port = static_cast<std::uint16_t>(row.get<long long>("ssh_port"));
}

void type_conversion<Environment>::to_base(const Environment& e, values& row, indicator& ind) {
  each_column(e, [&](const char* name, const auto& field) { row.set(name, field); });
  row.set("desired", std::string(to_string(e.desired)));
  row.set("state", std::string(to_string(e.state)));
  row.set("holds_compute", static_cast<long long>(e.holds_compute));
  row.set("ssh_port", static_cast<long long>(e.ssh_port));
  ind = i_ok;
}

}  // namespace soci
