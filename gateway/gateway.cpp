#include "gateway/gateway.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>

#include "gateway/admin/server.hpp"
#include "gateway/front.hpp"
#include "gateway/http/target_pool.hpp"
#include "gateway/metrics.hpp"
#include "gateway/net/tls_context.hpp"
#include "gateway/privileges.hpp"
#include "gateway/ssh/audited.hpp"
#include "gateway/ssh/monitor/audited.hpp"
#include "gateway/ssh/recorder/recorder.hpp"

namespace envgate::gateway {
namespace {

using std::chrono::steady_clock;

GuardLimits guard_limits(const GatewaySettings& settings) {
  const GatewaySettings::Limits& l = settings.limits;
  return {l.connections,
          l.connections_per_source,
          l.connections_per_environment,
          l.connection_rate_per_source,
          l.requests_per_source,
          l.requests_per_environment};
}

routing::Domain domain_of(const GatewaySettings& settings) {
  auto domain = routing::Domain::make(settings.domain);
  if (!domain) throw std::runtime_error("domain: " + domain.error().message);  // --check refuses it earlier
  return *domain;
}

// Changes when a certificate's files do: sizes, times and inodes.
std::string stamp_of(const std::vector<CertificateFiles>& files) {
  std::string stamp;
  for (const CertificateFiles& pair : files)
    for (const std::string& path : {pair.certificate, pair.key}) {
      struct stat s {};
      if (::stat(path.c_str(), &s) != 0) stamp += "missing";
      stamp += std::to_string(s.st_ino) + ":" + std::to_string(s.st_size) + ":" +
               std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec) + ";";
    }
  return stamp;
}

// Null where no file is named.
Result<TicketKeyPtr> read_ticket_key(const GatewaySettings& settings) {
  const std::string& path = settings.private_ports.key_file;
  if (path.empty()) return TicketKeyPtr();
  const auto key = routing::TicketKey::read(path);
  if (!key) return fail("private.key_file: " + key.error().message, key.error().code);
  return std::make_shared<const routing::TicketKey>(*key);
}

}  // namespace

Gateway::Gateway(CommandLine line, settings::Texts variables, SnapshotPtr initial)
    : line_(std::move(line)),
      variables_(std::move(variables)),
      started_(steady_clock::now()),
      snapshot_(std::move(initial)),
      tickets_(std::make_shared<net::TicketKeys>()),
      tickets_rotated_(started_),
      domain_(domain_of(snapshot_->values)),
      guard_(guard_limits(snapshot_->values)) {}

Gateway::~Gateway() { stop(); }

routing::SourceKind source_kind(RouteSource source) {
  switch (source) {
    case RouteSource::redis: return routing::SourceKind::redis;
    case RouteSource::file: return routing::SourceKind::file;
    case RouteSource::control: break;
  }
  return routing::SourceKind::control;
}

routing::RoutingSettings Gateway::routing_settings(const GatewaySettings& settings) const {
  routing::RoutingSettings out;
  out.source = source_kind(settings.routes.source);
  out.file = settings.routes.file;
  out.snapshot = settings.routes.snapshot;
  out.max_stale = std::chrono::duration_cast<std::chrono::seconds>(settings.routes.max_stale);
  out.allowed_targets = settings.routes.allowed_targets;
  out.control.socket = settings.routes.control.socket;
  out.redis.url = settings.routes.redis.url;
  out.redis.require_noeviction = settings.routes.redis.require_noeviction;
  out.listen_ports = routing::PortRange{settings.ssh.port_range.first, settings.ssh.port_range.last};
  const GatewaySettings::Ssh::Audited& audited = settings.ssh.audited;
  for (const auto& bind : {settings.https.bind, settings.http.bind, settings.metrics.bind, audited.bind})
    if (bind) out.reserved_ports.push_back(bind->port);
  return out;
}

Result<void> Gateway::load_certificates(const GatewaySettings& settings) {
  if (!settings.https.bind) return {};
  std::vector<net::CertificateFiles> files;
  for (const CertificateFiles& pair : settings.https.certificates)
    files.push_back({pair.certificate, pair.key});
  auto loaded = net::Certificates::load(files);
  if (!loaded) return tl::unexpected(loaded.error());
  certificates_ = *loaded;
  certificate_stamp_ = stamp_of(settings.https.certificates);
  return {};
}

void Gateway::install_tls(Worker& worker) {
  if (!certificates_) return;
  const net::TlsOptions options{worker.settings->https.min_version == TlsVersion::tls12};
  worker.tls = std::make_shared<net::TlsServer>(*worker.tls_library, certificates_, tickets_, options);
}

void Gateway::install_secrets(Worker& worker, const TicketKeyPtr& key) {
  install_tls(worker);
  worker.ticket_key = key;
}

Result<void> Gateway::bind_listeners() {
  const GatewaySettings& settings = snapshot_->values;
  const auto bind_on_all = [&](const std::optional<Endpoint>& where, auto serve) -> Result<void> {
    if (!where) return {};
    Endpoint local = *where;
    for (const auto& worker : workers_) {
      auto bound = bind_listener(local, {.reuse_port = true});
      if (!bound) return tl::unexpected(bound.error());
      if (local.port == 0) local.port = local_endpoint(bound->get())->port;
      auto acceptor = std::make_unique<Acceptor>(*worker, workers_, serve);
      auto opened = acceptor->open(std::move(*bound));
      if (!opened) return opened;
      acceptors_.push_back(std::move(acceptor));
    }
    return {};
  };
  auto bound = bind_on_all(settings.https.bind, serve_https);
  if (bound) bound = bind_on_all(settings.http.bind, serve_http_redirect);
  if (bound && audited_) bound = bind_on_all(settings.ssh.audited.bind, ssh::serve_shared_entry);
  return bound;
}

// Passthrough needs no records: without a folder for them the gateway serves on. Audited sessions do.
Result<void> Gateway::open_records(const GatewaySettings& settings) {
  auto started = ssh::recorder::Recorder::start(settings.audit.records);
  if (started) {
    recorder_ = std::move(*started);
    if (audited_) audited_->recorder = recorder_.get();
    return {};
  }
  if (audited_)
    return fail(started.error().message +
                    "; audited sessions (ssh.audited.host_key_file) are recorded: give audit.records a "
                    "directory and a key_file that this account may write to",
                started.error().code);
  log::info("records_off").error(started.error()).text("consequence", "audited SSH sessions are refused");
  return {};
}

Result<void> Gateway::start() {
  const GatewaySettings& settings = snapshot_->values;
  router_ = std::make_unique<routing::Router>(routing_settings(settings));
  if (!settings.ssh.audited.host_key_file.empty()) {
    auto audited = ssh::monitor::Audited::start(settings);
    if (!audited) return tl::unexpected(audited.error());
    audited_ = std::move(*audited);
  }
  shared_ = std::make_unique<Shared>(Shared{*router_, domain_, guard_, used_tickets_, audited_.get()});
  auto loaded = load_certificates(settings);
  if (!loaded) return loaded;
  auto key = read_ticket_key(settings);
  if (!key) return tl::unexpected(key.error());
  const unsigned count =
      settings.workers ? settings.workers : std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, *shared_, values_of(snapshot_)));
    install_secrets(*workers_.back(), *key);
  }
  for (const auto& worker : workers_)
    port_listeners_.push_back(std::make_unique<PortListeners>(*worker, workers_));
  auto bound = bind_listeners();
  admin_ = std::make_unique<admin::Server>(*this);
  if (bound) bound = admin_->bind(settings);
  if (!bound) return bound;
  auto dropped = become(settings.user);
  if (!dropped) return dropped;
  if (geteuid() == 0)
    log::warn("running_as_root")
        .text("remedy", "name an account in `user`; it is taken once the ports are bound");
  auto recording = open_records(settings);  // as the account that records are to belong to
  if (!recording) return recording;
  router_->subscribe([this](std::span<const routing::RouteChange> changes) { routes_changed(changes); });
  for (const auto& worker : workers_) threads_.emplace_back([&w = *worker] { w.reactor.run(); });
  admin_->start();
  auto routed = router_->start();
  if (!routed) return routed;
  serving_.store(true, std::memory_order_release);
  log::info("started")
      .number("workers", count)
      .number("routes", static_cast<std::int64_t>(router_->status().routes));
  return {};
}

// ---- routes ----

void Gateway::routes_changed(std::span<const routing::RouteChange> changes) {
  if (audited_) audited_->keys.apply(changes);
  const auto batch = std::make_shared<std::vector<routing::RouteChange>>(changes.begin(), changes.end());
  for (const auto& worker : workers_)
    worker->reactor.post([this, &w = *worker, batch] { follow_routes(w, *batch); });
}

void Gateway::follow_routes(Worker& worker, const std::vector<routing::RouteChange>& changes) {
  port_listeners_[worker.index]->apply(changes);
  for (const routing::RouteChange& change : changes) {
    if (!change.before) continue;
    const bool moved = !change.after || change.after->generation != change.before->generation ||
                       change.after->address != change.before->address;
    if (!moved) continue;
    worker.pool->close(change.id);
    if (worker.settings->routes.on_change != OnRouteChange::close) continue;
    worker.sessions.for_each([&](Session& session) {
      if (session.route && session.route->env == change.id) session.kill();
    });
  }
}

// ---- settings ----

SnapshotPtr Gateway::snapshot() const {
  const std::lock_guard lock(settings_mutex_);
  return snapshot_;
}

std::shared_ptr<const net::Certificates> Gateway::certificates() const {
  const std::lock_guard lock(settings_mutex_);
  return certificates_;
}

void Gateway::publish(const SnapshotPtr& next, const TicketKeyPtr& key) {
  log::set_level(next->values.log.level);
  guard_.set_limits(guard_limits(next->values));
  router_->reload(routing_settings(next->values));
  if (audited_) audited_->reload(next->values);
  if (recorder_) recorder_->set(next->values.audit.records);
  for (const auto& worker : workers_)
    worker->reactor.post([this, &w = *worker, values = values_of(next), key] {
      w.settings = values;
      install_secrets(w, key);
    });
}

Result<settings::Changes> Gateway::reload(const settings::Texts* api) {
  const std::lock_guard lock(settings_mutex_);
  auto next = reload_gateway_settings(line_, variables_, api ? *api : api_, *snapshot_);
  const auto key = next ? read_ticket_key(next->settings->values) : Result<TicketKeyPtr>();
  const auto loaded = next && key ? load_certificates(next->settings->values) : Result<void>();
  if (!next || !key || !loaded) {
    the_metrics().reloads_bad.add();
    const std::string why = !next  ? settings::to_text("envgate", next.error())
                            : !key ? key.error().message
                                   : loaded.error().message;
    log::error("reload_failed").text("error", why).text("consequence", "the old settings stay in force");
    return fail(why);
  }
  if (api) api_ = *api;
  snapshot_ = next->settings;
  publish(snapshot_, *key);
  the_metrics().reloads_good.add();
  for (const settings::Change& change : next->changes.live)
    log::info("setting_changed").text("change", settings::to_line(change));
  for (const settings::Change& change : next->changes.restart)
    log::warn("restart_needed").text("key", change.key).text("change", settings::to_line(change));
  log::info("reloaded");
  return next->changes;
}

void Gateway::refresh_certificates() {
  const std::lock_guard lock(settings_mutex_);
  const GatewaySettings& settings = snapshot_->values;
  if (!settings.https.bind) return;
  if (steady_clock::now() - tickets_rotated_ >= settings.https.ticket_rotation) {
    tickets_->rotate();
    tickets_rotated_ = steady_clock::now();
  }
  const std::string stamp = stamp_of(settings.https.certificates);
  if (stamp == certificate_stamp_) return;
  // Certificate and key are seldom renamed into place in one step: until they fit, the old ones serve.
  auto loaded = load_certificates(settings);
  if (!loaded) {
    certificate_stamp_ = stamp;
    log::error("certificates_refused").error(loaded.error());
    return;
  }
  for (const auto& worker : workers_) worker->reactor.post([this, &w = *worker] { install_tls(w); });
  log::info("certificates_loaded");
}

// ---- the end ----

unsigned Gateway::open_connections() const {
  unsigned open = 0;
  for (const auto& worker : workers_) open += worker->load();
  return open;
}

void Gateway::finish_idle(Worker& worker) {
  worker.draining = true;
  worker.pool->close_all();
  worker.sessions.for_each([](Session& session) {
    if (!session.busy) session.client_stream->shutdown_write();
    if (!session.busy) session.client_stream->abort(false);
  });
}

void Gateway::drain() {
  if (draining_.exchange(true)) return;
  log::info("draining").number("connections", open_connections());
  for (const auto& worker : workers_)
    worker->reactor.post([this, &w = *worker] {
      port_listeners_[w.index]->finish();
      for (std::size_t i = w.index; i < acceptors_.size(); i += workers_.size()) acceptors_[i]->finish();
      finish_idle(w);
    });
}

unsigned Gateway::stop() {
  if (threads_.empty()) return 0;
  const unsigned cut = open_connections();
  admin_->stop();  // first: its calls wait for workers
  router_->stop();
  for (const auto& worker : workers_) worker->reactor.stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  port_listeners_.clear();
  acceptors_.clear();
  for (const auto& worker : workers_) worker->connections.cancel();
  workers_.clear();
  if (recorder_) recorder_->stop();  // behind the sessions, which are closed now
  if (cut > 0) log::warn("connections_cut").number("connections", cut);
  log::info("stopped");
  return cut;
}

void Gateway::on_worker(Worker& worker, const std::function<void(Worker&)>& ask) {
  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  worker.reactor.post([&] {
    ask(worker);
    const std::lock_guard lock(mutex);
    finished = true;
    done.notify_one();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return finished; });
}

}  // namespace envgate::gateway
