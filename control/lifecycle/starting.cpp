// Starts, by somebody's word or because somebody came.
#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/lifecycle.hpp"
#include "control/lifecycle/spec.hpp"

namespace envgate::control {
namespace {

using store::Desired;
using store::Environment;
using store::State;
using store::Transaction;

Result<void> want_running(Transaction& t, Environment& e) {
  if (!e.holds_compute) {
    store::Resources compute = e.resources;
    compute.storage_bytes = 0;
    if (auto fits = store::check_quota(t, e.owner, compute, 0); !fits) return fits;
    e.holds_compute = true;
  }
  e.desired = Desired::running;
  if (e.state != State::running) e.state = State::starting;
  return {};
}

}  // namespace

Answer<Accepted> Lifecycle::start(const std::string& id, const Asked& asked) {
  return accept(id, "start", asked, want_running);
}

Answer<Waking> Lifecycle::waking(const std::string& id) {
  auto found = database_.read([&](Transaction& t) -> Result<Waking> {
    auto e = store::find_environment(t, id);
    if (!e || e->state == State::deleted) return fail("there is no environment " + id, store::kNotFound);
    store::PageRequest newest;
    newest.limit = 1;
    newest.descending = true;
    auto operations = store::open_operations(t, id);
    if (operations.empty()) operations = store::list_operations(t, {id, ""}, newest);
    Waking waking{std::move(*e), std::nullopt};
    if (!operations.empty()) waking.operation = std::move(operations.front());
    return waking;
  });
  return found ? Answer<Waking>(std::move(*found)) : tl::unexpected(problem_of(found.error()));
}

Answer<Waking> Lifecycle::wake(const std::string& id, const Asked& asked) {
  bool manual = false, joined = false;  // set by the function, which may run more than once
  const auto done = accept(id, "start", asked, [&](Transaction& t, Environment& e) -> Result<void> {
    manual = joined = false;
    if (e.desired == Desired::running) {
      joined = true;
      return fail("it is started already", store::kConflict);
    }
    if (!stored_policy(e).on_demand) {
      manual = true;
      return fail("environment " + id + " is stopped, and its policy does not start it on demand",
                  store::kConflict);
    }
    return want_running(t, e);
  });
  if (done) return Waking{done->environment, done->operation};
  if (joined) return waking(id);
  Problem problem = done.error();
  if (manual) problem.code = "not_on_demand";
  return tl::unexpected(std::move(problem));
}

}  // namespace envgate::control
