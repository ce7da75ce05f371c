#include "control/controller.hpp"

#include "base/log.hpp"
#include "base/settings_program.hpp"
#include "base/tcp_listen.hpp"
#include "base/unix_socket.hpp"
#include "control/api/context.hpp"
#include "control/api/server.hpp"
#include "control/machines/pool.hpp"
#include "control/store/keeping.hpp"

namespace envgate::control {
namespace {

using api::Caller;
using api::Role;

constexpr char kKeyCheck[] = "key_check", kKeyCheckText[] = "envgate";
constexpr std::size_t kInstall = 8;  // letters of the install's id: it is in every name that we make

// Who this install is; made at the first start. Errors: the key file is another one than the secrets' own.
Result<std::string> know_install(store::Database& database, const std::string& key_file,
                                 std::optional<secrets::SecretBox>& box) {
  const auto head =
      database.read([](store::Transaction& t) -> Result<store::Head> { return store::read_head(t); });
  if (!head) return Failure(head.error());
  auto opened = secrets::SecretBox::open(key_file, head->install.empty());
  if (!opened) return Failure(opened.error());
  box.emplace(std::move(*opened));
  if (!head->install.empty()) {
    if (!box->unseal(head->key_check, kKeyCheck))
      return fail("control.key_file " + key_file +
                  " is not the key that the database's secrets were sealed with:"
                  " bring the right one back");
    return head->install;
  }
  const store::Head made{secrets::make_id().substr(0, kInstall),
                         box->seal(backends::Secret(kKeyCheckText), kKeyCheck)};
  auto written = database.transaction([&](store::Transaction& t) -> Result<void> {
    store::write_head(t, made);
    return {};
  });
  if (!written) return Failure(written.error());
  return made.install;
}

struct Groups {
  std::optional<gid_t> read, gateway, operate, admin;
};

Result<Groups> find_groups(const ControlSettings::Control::Groups& names) {
  Groups groups;
  for (const auto& [setting, name, into] :
       {std::tuple("control.groups.read", &names.read, &groups.read),
        std::tuple("control.groups.gateway", &names.gateway, &groups.gateway),
        std::tuple("control.groups.operate", &names.operate, &groups.operate),
        std::tuple("control.groups.admin", &names.admin, &groups.admin)}) {
    if (name->empty()) continue;
    const auto found = find_group(setting, *name);
    if (!found) return Failure(found.error());
    *into = *found;
  }
  return groups;
}

Caller caller_of(int fd, const Groups& groups) {
  Caller caller;
  const auto peer = peer_of(fd);
  if (!peer) return caller;
  caller.account = "uid " + std::to_string(peer->uid);
  caller.who = caller.account + " pid " + std::to_string(peer->pid);
  const auto member = [&](const std::optional<gid_t>& group) { return group && peer->in_group(*group); };
  if (peer->is_ours() || member(groups.admin))
    caller.role = Role::admin;
  else if (member(groups.operate))
    caller.role = Role::operate;
  else if (member(groups.gateway))
    caller.role = Role::gateway;
  else if (member(groups.read))
    caller.role = Role::read;
  return caller;
}

Result<void> use_certificate(api::Server& server, const ControlSettings::Control::Tls& tls) {
  if (!tls.bind) return {};
  auto good = server.use_certificate(tls.certificate, tls.key);
  if (!good) return fail("control.tls.certificate, control.tls.key: " + good.error().message);
  return {};
}

Result<void> listen_tcp(api::Server& server, const ControlSettings::Control& control) {
  for (const auto& [bind, door, setting] :
       {std::tuple(control.tls.bind, api::Door::tls, "control.tls.bind: "),
        std::tuple(control.metrics.bind, api::Door::metrics, "control.metrics.bind: ")}) {
    if (!bind) continue;
    auto bound = bind_listener(*bind, {});
    if (!bound) return fail(setting + bound.error().message);
    server.listen(door, std::move(*bound));
  }
  return use_certificate(server, control.tls);
}

}  // namespace

struct Controller::Inside {
  explicit Inside(store::Database opened) : database(std::move(opened)) {}
  store::Database database;
  std::optional<secrets::SecretBox> box;
  Engines engines;
  std::optional<Nodes> nodes;
  std::optional<MachineWatch> machines;
  std::optional<Reconciler> reconciler;
  std::optional<RedisPublisher> redis;
  std::optional<Lifecycle> lifecycle;
  std::optional<api::Context> context;
  UnixSocket socket;
  std::optional<api::Server> server;  // first to go

  void poke() {
    if (server) server->poke();
    if (redis) redis->poke();
  }
};

Controller::Controller(settings::SnapshotPtr<ControlSettings> settings)
    : settings_(std::move(settings)), reloaded_(settings_) {}
Controller::~Controller() { stop(); }

Result<void> Controller::start() {
  const ControlSettings& settings = settings_->values;
  const auto& control = settings.control;
  const auto groups = find_groups(control.groups);
  if (!groups) return Failure(groups.error());
  store::Database::Options pool;
  pool.sessions = control.workers + 8;
  auto database = store::Database::open(control.store, pool);
  if (!database) return Failure(database.error());
  auto made = std::make_unique<Inside>(std::move(*database));
  Inside& in = *made;
  const auto install = know_install(in.database, control.key_file, in.box);
  if (!install) return Failure(install.error());

  in.nodes.emplace(in.database, settings, *install, in.engines);
  if (auto good = in.nodes->start(); !good) return good;

  std::optional<routing::TicketKey> tickets;
  if (!control.tickets.key_file.empty()) {
    const auto key = routing::TicketKey::make_file(control.tickets.key_file);
    if (!key) return fail("control.tickets.key_file: " + key.error().message);
    tickets = *key;
  }
  const auto committed = [&in] { in.poke(); };
  if (!control.redis.url.empty()) {
    if (auto good = RedisPublisher::check(control.redis.url); !good) return good;
    in.redis.emplace(in.database, settings, *install);
  }
  backends::physical::Settings physical;
  physical.install = *install;
  physical.clean_script = control.physical.clean_script;
  physical.parallel = control.physical.concurrency;
  if (auto good = backends::physical::check(physical); !good)
    return fail("control.physical: " + good.error().message);
  in.machines.emplace(in.database, settings, physical, committed);
  in.engines.add(
      {"physical/pool", std::make_shared<backends::physical::PhysicalBackend>(physical, pool_of(in.database)),
       control.physical.concurrency, control.physical.timeout, physical.grace, control.physical.check});
  in.reconciler.emplace(in.database, *in.box, settings, in.engines, committed,
                        [&in] { in.nodes->refresh(); });
  in.lifecycle.emplace(in.database, *in.box, settings, in.engines, [&in](const store::Environment& e) {
    in.reconciler->nudge(e.id, Engines::key_of(e.backend, e.node));
    in.poke();
  });
  in.context.emplace(api::Context{in.database, *in.box, settings, [this] { return snapshot(); },
                                  *in.lifecycle, *in.reconciler, in.engines, *in.nodes, *in.machines,
                                  in.redis ? &*in.redis : nullptr, tickets, *install, committed,
                                  std::chrono::steady_clock::now()});
  auto socket = in.socket.listen(control.socket, {"control.socket", "", "", "", 0666});
  if (!socket) return Failure(socket.error());
  in.server.emplace(api::Server::Options{control.workers},
                    [&in](api::Request& request) { return api::dispatch(*in.context, request); });
  in.server->authenticate_by([groups = *groups](int fd) { return caller_of(fd, groups); },
                             [&in](api::Request& head) { return api::admit(*in.context, head); });
  in.server->listen(api::Door::control, std::move(*socket));
  if (auto listening = listen_tcp(*in.server, control); !listening) return listening;
  if (auto started = in.reconciler->start(); !started) return started;
  in.machines->start();
  if (in.redis) in.redis->start();
  in.server->start();
  inside_ = std::move(made);
  log::info("control_started").text("install", *install).text("socket", control.socket);
  return {};
}

void Controller::stop() {
  if (!inside_) return;
  inside_->server->stop();
  if (inside_->redis) inside_->redis->stop();
  inside_->machines->stop();
  inside_->reconciler->stop();
  inside_->socket.remove();
  inside_.reset();
}

settings::SnapshotPtr<ControlSettings> Controller::snapshot() const {
  const std::lock_guard lock(mutex_);
  return reloaded_;
}

void Controller::reload(const settings::Sources& sources) {
  const auto next = settings::reload(control_schema(), sources, *snapshot());
  const auto used = next ? use_certificate(*inside_->server, settings_->values.control.tls) : Result<void>();
  if (!next || !used) {
    const std::string why = next ? used.error().message : settings::to_text("envgate-control", next.error());
    log::error("reload_failed").text("error", why).text("consequence", "the old settings stay in force");
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    reloaded_ = next->settings;
  }
  log::set_level(next->settings->values.control.log.level);
  for (const settings::Change& change : next->changes.live)
    log::info("setting_changed").text("change", settings::to_line(change));
  for (const settings::Change& change : next->changes.restart)
    log::warn("restart_needed").text("key", change.key).text("change", settings::to_line(change));
  log::info("reloaded");
}

}  // namespace envgate::control
