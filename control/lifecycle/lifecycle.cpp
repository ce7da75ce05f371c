#include "control/lifecycle/lifecycle.hpp"

#include "backends/words.hpp"
#include "control/lifecycle/bind_probe.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/placement.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/store/audit.hpp"
#include "control/store/changes.hpp"
#include "control/store/keeping.hpp"
#include "control/store/machines.hpp"
#include "control/store/now.hpp"
#include "control/store/owners.hpp"

namespace envgate::control {
namespace {

using nlohmann::json;
using store::Desired;
using store::Environment;
using store::Operation;
using store::State;
using store::Transaction;

constexpr std::size_t kMostOwner = 64;

Problem invalid(Fields fields) {
  return {422, "invalid",
          "the request has " + std::to_string(fields.errors.size()) +
              (fields.errors.size() == 1 ? " wrong field" : " wrong fields"),
          std::move(fields.errors)};
}

std::string etag(const Environment& e) { return "\"" + std::to_string(e.version) + "\""; }

// Those that can no longer come true, since something else is wanted now.
void supersede(Transaction& t, const Environment& e, const Operation& by) {
  for (Operation& open : store::open_operations(t, e.id)) {
    open.state = store::OperationState::failed;
    open.error = write_json(
        {{"code", "superseded"}, {"message", by.kind + " was asked for meanwhile (" + by.id + ")"}});
    store::update_operation(t, open);
  }
}

// An environment's answer to the same key before, or a refusal where the key was for something else.
Result<std::optional<Accepted>> answered_before(Transaction& t, const Asked& asked) {
  if (asked.idempotency_key.empty()) return std::optional<Accepted>();
  const auto before = store::find_answer(t, asked.idempotency_key);
  if (!before) return std::optional<Accepted>();
  if (before->request != asked.request_hash)
    return fail("this Idempotency-Key was used for another request", store::kInvalid);
  auto operation = store::find_operation(t, before->body);
  if (!operation)
    return fail("the request with this Idempotency-Key was answered long ago", store::kConflict);
  auto environment = store::find_environment(t, operation->environment);
  return std::optional<Accepted>({std::move(*operation), std::move(*environment)});
}

void remember_answer(Transaction& t, const Asked& asked, const Operation& operation) {
  if (!asked.idempotency_key.empty())
    store::put_answer(t, asked.idempotency_key, {asked.request_hash, 202, operation.id});
}

Operation new_operation(const std::string& environment, const std::string& kind, const std::string& who) {
  Operation operation;
  operation.id = secrets::make_id();
  operation.environment = environment;
  operation.kind = kind;
  operation.who = who;
  operation.created = operation.updated = store::now_ms();
  return operation;
}

std::string state_body(const Environment& e) {
  return write_json({{"state", store::to_string(e.state)}, {"desired", store::to_string(e.desired)}});
}

// What a container must be made anew for; ports, keys and the ssh mode are not among it.
json remade_for(const Spec& spec, const std::string& backend, bool ports_published) {
  json tree = spec_json(spec, backend);
  tree.erase("ssh");
  if (!ports_published) tree.erase("ports");
  return tree;
}

}  // namespace

struct Lifecycle::Body {
  Spec spec;
  std::vector<EnginePtr> nodes;  // that could have it
};

Lifecycle::Lifecycle(store::Database& database, const secrets::SecretBox& box,
                     const ControlSettings& settings, Engines& engines,
                     std::function<void(const store::Environment&)> changed)
    : database_(database), box_(box), settings_(settings), engines_(engines), changed_(std::move(changed)) {}

void Lifecycle::validate(Fields& fields, const Spec& spec, const std::string& owner,
                         const std::string& backend, const std::string& node) const {
  const EnginePtr engine = engines_.find(Engines::key_of(backend, node));
  if (!engine) {
    fields.errors.push_back({spec.node.empty() ? "/backend" : "/spec/node",
                             backend == "physical"
                                 ? "is not available: no pool of machines is set up"
                                 : "there is no node" + (node.empty() ? "" : " " + node) +
                                       "; set control.docker.socket, or add one (envctl node add)"});
    return;
  }
  backends::Wanted wanted = spec.wanted;
  wanted.environment = *routing::EnvId::parse("check");
  wanted.generation = 1;
  wanted.owner = owner;
  wanted.login.emplace();
  wanted.login->user = spec.ssh_user;
  wanted.login->authorized_keys = spec.ssh_keys;
  for (const PortSpec& port : spec.ports) wanted.ports.push_back({port.port, 0});
  for (const backends::FieldError& error : engine->backend->validate(wanted)) {
    const std::string pointer = pointer_of(error.path);
    const bool told = std::any_of(fields.errors.begin(), fields.errors.end(),
                                  [&](const WrongField& field) { return field.pointer == pointer; });
    if (!told) fields.errors.push_back({pointer, error.message});
  }
}

std::vector<EnginePtr> Lifecycle::candidates(Fields& fields, const Spec& spec, const std::string& owner,
                                             const std::string& backend) const {
  std::vector<EnginePtr> good;
  std::optional<Fields> first;
  for (const EnginePtr& engine : engines_.all()) {
    const std::string node = engine->node();
    if (!engine->key.starts_with(backend + "/") || (!spec.node.empty() && spec.node != node)) continue;
    Fields here;
    validate(here, spec, owner, backend, node);
    if (here.good()) good.push_back(engine);
    if (!first || node == "local") first = std::move(here);
  }
  if (!good.empty()) return good;
  if (!first) {
    first.emplace();
    validate(*first, spec, owner, backend, spec.node);  // says that there is none
  }
  fields.errors.insert(fields.errors.end(), first->errors.begin(), first->errors.end());
  return good;
}

// Everything of a create's body that can be checked without the database, into `e`.
Answer<Lifecycle::Body> Lifecycle::read_body(const json& body, Environment& e) const {
  Fields f;
  const Place root = Fields::root(body);
  if (!f.object(root, {"name", "owner", "backend", "spec", "policy"})) {
    if (!body.is_object()) f.wrong(root, "is not an object");
    return tl::unexpected(invalid(std::move(f)));
  }
  f.missing(Fields::member(root, "name"));
  f.text(Fields::member(root, "name"), 64, e.name);
  if (Fields::member(root, "name").exists() && !valid_name(e.name))
    f.wrong(Fields::member(root, "name"), "is not 1 to 64 printable characters without a blank at an end");
  f.missing(Fields::member(root, "owner"));
  f.text(Fields::member(root, "owner"), kMostOwner, e.owner);
  if (Fields::member(root, "owner").exists() && !backends::valid_owner(e.owner))
    f.wrong(Fields::member(root, "owner"), "is not 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
  e.backend = "docker";
  f.choice<std::string>(Fields::member(root, "backend"), {{"docker", "docker"}, {"physical", "physical"}},
                        e.backend);
  const json none = json::object();
  const Place spec_at = Fields::member(root, "spec"), policy_at = Fields::member(root, "policy");
  f.missing(spec_at);
  Body read;
  Spec& spec = read.spec = parse_spec(f, spec_at.exists() ? *spec_at.value : none, e.backend);
  if (spec_at.exists() && !spec_at.value->is_object()) f.wrong(spec_at, "is not an object");
  const Policy policy = parse_policy(f, policy_at.exists() ? *policy_at.value : none);
  if (spec_at.exists()) read.nodes = candidates(f, spec, e.owner.empty() ? "x" : e.owner, e.backend);
  if (!f.good()) return tl::unexpected(invalid(std::move(f)));
  e.spec = write_json(spec_json(spec, e.backend));
  e.policy = write_json(policy_json(policy));
  e.resources = resources_of(spec);
  return read;
}

Result<void> Lifecycle::lease(Transaction& t, Environment& e, const Spec& spec) const {
  const auto& ports = settings_.control.ports;
  store::LeaseRequest wanted{"ssh", 22, ports.ssh, ports.quarantine, {}};
  if (ports.probe) wanted.can_bind = can_bind_port;
  const std::vector<store::Lease> held = store::leases_of(t, e.id);
  const auto holds = [&](const std::string& service, std::uint16_t target) {
    return std::any_of(held.begin(), held.end(), [&](const store::Lease& lease) {
      return lease.service == service && (service == "ssh" || lease.target_port == target);
    });
  };
  if (!holds("ssh", 22)) {
    const auto port = store::lease_port(t, e.id, wanted);
    if (!port) return Failure(port.error());
    e.ssh_port = *port;
  }
  wanted.range = ports.tcp;
  for (const PortSpec& port : spec.ports) {
    if (port.access != PortSpec::Access::tcp || holds(port.service, port.port)) continue;
    wanted.service = port.service;
    wanted.target_port = port.port;
    const auto leased = store::lease_port(t, e.id, wanted);
    if (!leased) return Failure(leased.error());
  }
  return {};
}

Result<Accepted> Lifecycle::insert(Transaction& t, Environment e, const Body& body,
                                   const Credentials& credentials, const Asked& asked) {
  const Spec& spec = body.spec;
  if (store::find_environment(t, e.id))
    return fail("environment id " + e.id + " was used before", store::kConflict);
  if (e.backend == "physical") {
    store::MachineWanted wanted{spec.machine, {}, {}, 0, 0, 0, 0};
    if (const auto& s = spec.selector)
      wanted = {"",
                s->region,
                s->gpu_model,
                static_cast<long long>(s->gpus),
                static_cast<long long>(s->cpu),
                static_cast<long long>(s->memory),
                static_cast<long long>(s->disk)};
    auto machine = store::allocate_machine(t, wanted, e.id);
    if (!machine) return Failure(machine.error());
    e.node = machine->name;
    e.resources = {machine->cpu * 1000, machine->memory_bytes, machine->gpus, 0};
  } else {
    auto node = choose_node(t, body.nodes, e.resources);
    if (!node) return Failure(node.error());
    e.node = std::move(*node);
  }
  if (auto fits = store::check_quota(t, e.owner, e.resources, 1); !fits) return Failure(fits.error());
  if (auto leased = lease(t, e, spec); !leased) return Failure(leased.error());
  e.created = e.updated = store::now_ms();
  publish_route(t, e);
  store::insert_environment(t, e);
  store::set_shares(t, e.id, stored_policy(e).shared_with);
  keep_credentials(t, e.id, credentials);
  if (spec.wanted.registry)
    store::put_sealed(t, e.id, kRegistryPassword,
                      box_.seal(spec.wanted.registry->password, secret_owner(e.id, kRegistryPassword)));
  Operation operation = new_operation(e.id, "create", asked.who);
  store::insert_operation(t, operation);
  store::append_event(t, e.id, "environment_created", state_body(e));
  store::append_audit(t, {asked.who, "create", e.id, "", e.spec, "accepted"});
  remember_answer(t, asked, operation);
  return Accepted{std::move(operation), std::move(e)};
}

Answer<Accepted> Lifecycle::create(const json& body, const Asked& asked, bool dry_run) {
  Environment e;
  const auto read = read_body(body, e);
  if (!read) return tl::unexpected(read.error());
  e.id = secrets::make_id();
  const auto credentials = make_credentials(box_, e);  // not while others wait to write
  if (!credentials) return tl::unexpected(problem_of(credentials.error()));
  constexpr int kRehearsed = -100;  // rolls back what would have been
  Accepted rehearsed;
  auto made = database_.transaction([&](Transaction& t) -> Result<Accepted> {
    auto before = answered_before(t, asked);
    if (!before) return Failure(before.error());
    if (*before) return std::move(**before);
    auto inserted = insert(t, e, *read, *credentials, asked);
    if (inserted && dry_run) {
      rehearsed = std::move(*inserted);
      return fail("", kRehearsed);
    }
    return inserted;
  });
  if (!made && made.error().code == kRehearsed) {
    rehearsed.operation = {};
    return rehearsed;
  }
  if (!made) return tl::unexpected(problem_of(made.error()));
  changed_(made->environment);
  return std::move(*made);
}

Answer<Accepted> Lifecycle::accept(const std::string& id, const std::string& kind, const Asked& asked,
                                   const Change& change) {
  auto done = database_.transaction([&](Transaction& t) -> Result<Accepted> {
    auto before = answered_before(t, asked);
    if (!before) return Failure(before.error());
    if (*before) return std::move(**before);
    auto e = store::find_environment(t, id);
    if (!e || e->state == State::deleted) return fail("there is no environment " + id, store::kNotFound);
    if (!asked.if_match.empty() && asked.if_match != "*" && asked.if_match != etag(*e))
      return fail("environment " + id + " has changed meanwhile: read it again", store::kPrecondition);
    if (e->desired == Desired::deleted) {
      if (kind != "delete") return fail("environment " + id + " is being deleted", store::kConflict);
      auto open = store::open_operations(t, id);  // a repeated deletion is the same one
      if (!open.empty()) return Accepted{std::move(open.front()), std::move(*e)};
    }
    const std::string was = state_body(*e);
    const Desired desired = e->desired;
    if (auto changed = change(t, *e); !changed) return Failure(changed.error());
    Operation operation = new_operation(id, kind, asked.who);
    if (e->desired != desired) supersede(t, *e, operation);
    store::insert_operation(t, operation);
    publish_route(t, *e);
    store::update_environment(t, *e);
    store::append_event(t, id, "environment_" + kind, state_body(*e));
    store::append_audit(t, {asked.who, kind, id, was, state_body(*e), "accepted"});
    remember_answer(t, asked, operation);
    return Accepted{std::move(operation), std::move(*e)};
  });
  if (!done) return tl::unexpected(problem_of(done.error()));
  changed_(done->environment);
  return std::move(*done);
}

Answer<Accepted> Lifecycle::stop(const std::string& id, const Asked& asked) {
  return accept(id, "stop", asked, [](Transaction&, Environment& e) -> Result<void> {
    e.desired = Desired::stopped;
    if (e.state != State::stopped) e.state = State::stopping;
    return {};
  });
}

Answer<Accepted> Lifecycle::restart(const std::string& id, const Asked& asked) {
  return accept(id, "restart", asked, [](Transaction&, Environment& e) -> Result<void> {
    if (e.desired != Desired::running) return fail("it is stopped: start it instead", store::kConflict);
    ++e.restarts_wanted;
    e.state = State::stopping;
    return {};
  });
}

Answer<Accepted> Lifecycle::rebuild(const std::string& id, const std::string& image, const Asked& asked) {
  return accept(id, "rebuild", asked, [&](Transaction&, Environment& e) -> Result<void> {
    if (e.backend == "physical")
      return fail("a physical machine is not rebuilt: delete it and create another", store::kConflict);
    Spec spec = stored_spec(e);
    if (!image.empty()) {
      spec.wanted.image = image;
      Fields fields;
      validate(fields, spec, e.owner, e.backend, e.node);
      if (!fields.good()) return fail("image: " + fields.errors.front().message, store::kInvalid);
      e.spec = write_json(spec_json(spec, e.backend));
    }
    ++e.generation;
    if (e.desired == Desired::running) e.state = State::starting;
    return {};
  });
}

Answer<Accepted> Lifecycle::rotate(const std::string& id, const Asked& asked) {
  return accept(id, "rotate", asked, [&](Transaction& t, Environment& e) -> Result<void> {
    const auto credentials = make_credentials(box_, e);
    if (!credentials) return Failure(credentials.error());
    keep_credentials(t, id, *credentials);
    ++e.login_version;
    return {};
  });
}

Answer<Accepted> Lifecycle::remove(const std::string& id, std::optional<backends::Volumes> volumes,
                                   const Asked& asked) {
  return accept(id, "delete", asked, [&](Transaction&, Environment& e) -> Result<void> {
    if (volumes) {
      Policy policy = stored_policy(e);
      policy.volumes = *volumes;
      e.policy = write_json(policy_json(policy));
    }
    e.desired = Desired::deleted;
    e.state = State::deleting;
    return {};
  });
}

Answer<Accepted> Lifecycle::patch(const std::string& id, const json& body, const Asked& asked) {
  Fields f;
  const Place root = Fields::root(body);
  if (!body.is_object()) f.wrong(root, "is not an object");
  f.object(root, {"name", "policy", "spec"});
  if (!f.good()) return tl::unexpected(invalid(std::move(f)));
  std::optional<Problem> wrong;  // set by the transaction's function, which may run more than once
  auto done = accept(id, "update", asked, [&](Transaction& t, Environment& e) -> Result<void> {
    Fields fields;
    json whole = {{"name", e.name}, {"spec", json::parse(e.spec)}, {"policy", json::parse(e.policy)}};
    whole.merge_patch(body);
    const Place at = Fields::root(whole);
    fields.missing(Fields::member(at, "name"));
    fields.text(Fields::member(at, "name"), 64, e.name);
    if (!valid_name(e.name)) fields.wrong(Fields::member(at, "name"), "is not 1 to 64 printable characters");
    const Spec before = stored_spec(e);
    const Spec after = parse_spec(fields, whole["spec"], e.backend);
    const Policy policy = parse_policy(fields, whole["policy"]);
    if (e.backend == "docker") {
      if (after.node != before.node) fields.errors.push_back({"/spec/node", "cannot be changed"});
      validate(fields, after, e.owner, e.backend, e.node);
    } else if (after.machine != before.machine || after.selector.has_value() != before.selector.has_value()) {
      fields.errors.push_back({"/spec/machine", "cannot be changed"});
    }
    if (!fields.good()) {
      wrong = invalid(std::move(fields));
      return fail(wrong->detail, store::kInvalid);
    }
    if (e.backend == "docker") {
      const store::Resources now = resources_of(after), was = e.resources;
      const store::Resources more{std::max(now.cpu_millis - was.cpu_millis, 0LL) * e.holds_compute,
                                  std::max(now.memory_bytes - was.memory_bytes, 0LL) * e.holds_compute,
                                  std::max(now.gpus - was.gpus, 0LL) * e.holds_compute,
                                  std::max(now.storage_bytes - was.storage_bytes, 0LL)};
      if (auto fits = store::check_quota(t, e.owner, more, 0); !fits) return fits;
      e.resources = now;
      const bool published = e.published != "[]";
      if (remade_for(before, e.backend, published) != remade_for(after, e.backend, published)) {
        ++e.generation;
        if (e.desired == Desired::running) e.state = State::starting;
      }
    }
    // In an audited one they are the route's matter alone.
    const bool keys = before.ssh_keys != after.ssh_keys && after.ssh_mode != routing::SshMode::audited;
    if (keys || before.ssh_user != after.ssh_user || before.ssh_mode != after.ssh_mode) ++e.login_version;
    if (after.wanted.registry && !after.wanted.registry->password.empty())
      store::put_sealed(t, id, kRegistryPassword,
                        box_.seal(after.wanted.registry->password, secret_owner(id, kRegistryPassword)));
    e.spec = write_json(spec_json(after, e.backend));
    e.policy = write_json(policy_json(policy));
    store::set_shares(t, id, policy.shared_with);
    if (auto prepared = prepare_audited(t, box_, e); !prepared) return prepared;
    return lease(t, e, after);
  });
  if (!done && wrong) return tl::unexpected(std::move(*wrong));
  return done;
}

Answer<Access> Lifecycle::access(const std::string& id, const Asked& asked) {
  auto sealed = database_.transaction([&](Transaction& t) -> Result<std::pair<Environment, std::string>> {
    auto e = store::find_environment(t, id);
    const bool there = e && e->desired != Desired::deleted;
    auto secret = there ? store::find_sealed(t, id, kSshPassword) : std::nullopt;
    store::append_audit(t, {asked.who, "access", id, "", "", secret ? "shown" : "not found"});
    return std::pair(there && secret ? std::move(*e) : Environment{}, secret.value_or(""));
  });
  if (!sealed) return tl::unexpected(problem_of(sealed.error()));
  Environment& e = sealed->first;
  if (e.id.empty()) return refuse(404, "not_found", "there is no environment " + id);
  auto password = box_.unseal(sealed->second, secret_owner(id, kSshPassword));
  if (!password) return refuse(500, "sealed", password.error().message);
  return Access{std::move(e), std::move(*password)};
}

}  // namespace envgate::control
