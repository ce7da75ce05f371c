// What may be asked of an environment. Each change is one transaction: quota, leases, the row, an operation,
// the route, an event and an audit line, or nothing of it; the reconciler then makes it so. Refusals are
// Problems, every wrong field at once. Thread: any; calls block for the database alone.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/lifecycle/audited.hpp"
#include "control/lifecycle/engines.hpp"
#include "control/problem.hpp"
#include "control/secrets/random.hpp"
#include "control/secrets/secret_box.hpp"
#include "control/settings.hpp"
#include "control/store/operations.hpp"

namespace envgate::control {

class Fields;
struct Spec;
struct Policy;

// Who asks, and under which conditions.
struct Asked {
  std::string who;              // for the audit: "uid 1000 (ada)", "token ci"
  std::string if_match;         // an ETag; empty: any
  std::string idempotency_key;  // empty: none
  std::string request_hash;     // of method, path and body: the same key with another one is refused
};

struct Accepted {
  store::Operation operation;
  store::Environment environment;
};

// What a customer gets in by.
struct Access {
  store::Environment environment;
  backends::Secret password;
};

// How far an environment is that somebody waits for.
struct Waking {
  store::Environment environment;
  std::optional<store::Operation> operation;  // that starts it; the newest, if it has ended
};

class Lifecycle {
 public:
  // `changed` is called after each accepted change.
  Lifecycle(store::Database& database, const secrets::SecretBox& box, const ControlSettings& settings,
            Engines& engines, std::function<void(const store::Environment&)> changed);

  // `body` as in control/api/README.md. `dry_run`: everything is checked, quota and ports too, and nothing
  // kept; then the operation is empty.
  Answer<Accepted> create(const nlohmann::json& body, const Asked& asked, bool dry_run);
  Answer<Accepted> patch(const std::string& id, const nlohmann::json& body, const Asked& asked);
  Answer<Accepted> start(const std::string& id, const Asked& asked);
  Answer<Accepted> stop(const std::string& id, const Asked& asked);
  Answer<Accepted> restart(const std::string& id, const Asked& asked);
  // An empty image: the same one, made anew.
  Answer<Accepted> rebuild(const std::string& id, const std::string& image, const Asked& asked);
  Answer<Accepted> rotate(const std::string& id, const Asked& asked);
  Answer<Accepted> remove(const std::string& id, std::optional<backends::Volumes> volumes,
                          const Asked& asked);
  // Starts one whose policy lets it start on demand; joins a start that is under way already.
  // Errors: 404; 409 not_on_demand, or it is being deleted.
  Answer<Waking> wake(const std::string& id, const Asked& asked);
  Answer<Waking> waking(const std::string& id);
  // Audited, refusals too.
  Answer<Access> access(const std::string& id, const Asked& asked);

 private:
  struct Body;
  using Change = std::function<Result<void>(store::Transaction&, store::Environment&)>;
  Answer<Accepted> accept(const std::string& id, const std::string& kind, const Asked& asked,
                          const Change& change);
  Result<Accepted> insert(store::Transaction& t, store::Environment e, const Body& body,
                          const Credentials& credentials, const Asked& asked);
  void validate(Fields& fields, const Spec& spec, const std::string& owner, const std::string& backend,
                const std::string& node) const;
  // The nodes that could have it. Where none could, `fields` has what the first of them says.
  std::vector<EnginePtr> candidates(Fields& fields, const Spec& spec, const std::string& owner,
                                    const std::string& backend) const;
  Answer<Body> read_body(const nlohmann::json& body, store::Environment& e) const;
  Result<void> lease(store::Transaction& t, store::Environment& e, const Spec& spec) const;

  store::Database& database_;
  const secrets::SecretBox& box_;
  const ControlSettings& settings_;
  Engines& engines_;
  std::function<void(const store::Environment&)> changed_;
};

inline constexpr char kRegistryPassword[] = "registry_password";

// Publishes the environment's route where it has changed. Requires: `e` is to be updated by the caller.
void publish_route(store::Transaction& t, store::Environment& e);
// Of all environments that an owner's policy, keys or codes concern.
void publish_routes_of(store::Transaction& t, const std::string& owner);

}  // namespace envgate::control
