#include "control/settings.hpp"

namespace envgate::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using namespace settings;  // the types of the schema below read as a language of their own

using S = ControlSettings;
using C = ControlSettings::Control;

constexpr auto kRestart = Apply::restart;

std::string check_store(const std::string& url) {
  for (const char* scheme : {"sqlite:", "postgres://", "postgresql://"})
    if (url.starts_with(scheme) && url.size() > std::string_view(scheme).size()) return "";
  return "is neither sqlite:PATH nor postgres://USER@HOST/DATABASE";
}

Type<std::string> path() { return text("a path"); }
Type<std::string> path_or_none() { return text("a path, or \"\" for none"); }
Type<std::string> group() { return text("a group's name, or \"\" for none"); }

void declare(Section<S, S> root) {
  root.key("domain", &S::domain, text("a domain name, such as x-gpu.com"), kRestart,
           "Environments are <env>.ssh.<domain> and <env>-<port>.container.<domain>.");
  auto c = root.section("control", &S::control);
  c.key("socket", &C::socket, path(), kRestart, "The socket of REST, envctl and the gateway's feed.")
      .key("store", &C::store, secret_url("sqlite:PATH or postgres://USER@HOST/DATABASE", check_store),
           kRestart, "The database that is the truth.")
      .key("key_file", &C::key_file, path(), kRestart,
           "The key under which secrets are sealed; made at the first start. Without it they are lost: back "
           "it up.")
      .key("workers", &C::workers, integer(1u, 64u), kRestart,
           "Threads that answer reads; changes have as many of their own.");
  c.section("groups", &C::groups)
      .key("read", &C::Groups::read, group(), kRestart, "Whose members may look.")
      .key("gateway", &C::Groups::gateway, group(), kRestart,
           "Whose members are gateways: may look, and ask for what audited sessions need.")
      .key("operate", &C::Groups::operate, group(), kRestart, "Whose members may create, change and delete.")
      .key("admin", &C::Groups::admin, group(), kRestart, "Whose members may do everything, as root may.");
  c.section("log", &C::log)
      .key("level", &C::Log::level,
           choice<log::Level>({{"debug", log::Level::debug},
                               {"info", log::Level::info},
                               {"warn", log::Level::warn},
                               {"error", log::Level::error}}),
           Apply::live, "The least level that is written.")
      .key("file", &C::Log::file, text("a path, or -"), kRestart, "Where log lines go; -: standard error.");
  c.section("tls", &C::tls)
      .key("bind", &C::Tls::bind, optional(endpoint()), kRestart,
           "Where the API listens for callers with tokens; empty: nowhere.")
      .key("certificate", &C::Tls::certificate, path_or_none(), kRestart,
           "Its certificate, PEM, the chain behind the leaf. SIGHUP reads it again.")
      .key("key", &C::Tls::key, path_or_none(), kRestart, "The certificate's private key, PEM.");
  c.section("metrics", &C::metrics)
      .key("bind", &C::Metrics::bind, optional(endpoint()), kRestart,
           "Where /metrics, /healthz and /readyz are, without TLS or token; empty: on the socket alone.");
  c.section("tickets", &C::tickets)
      .key("key_file", &C::Tickets::key_file, path_or_none(), kRestart,
           "The key of tickets to private ports, the gateway's private.key_file; made where it is missing.")
      .key("lifetime", &C::Tickets::lifetime, duration(seconds(5), minutes(9)), kRestart,
           "How long a ticket may wait to be used.");
  c.section("ports", &C::ports)
      .key("ssh", &C::Ports::ssh, port_range(), kRestart,
           "Leased for ssh; within the gateway's ssh.port_range.")
      .key("tcp", &C::Ports::tcp, port_range(), kRestart, "Leased for ports whose access is tcp.")
      .key("quarantine", &C::Ports::quarantine, duration(seconds(0), hours(24 * 30)), kRestart,
           "How long a released port rests before another environment gets it.")
      .key("probe", &C::Ports::probe, boolean(), kRestart,
           "Whether a port is tried by binding it, so that one of another program is not leased.");
  c.section("public", &C::gateway)
      .key("https_port", &C::Public::https_port, integer<std::uint16_t>(1), kRestart,
           "The gateway's HTTPS port, as customers see it.");
  c.section("docker", &C::docker)
      .key("socket", &C::Docker::socket, path_or_none(), kRestart,
           "The Unix socket of the engine on this machine (Docker's, or Podman's).")
      .key("bind_roots", &C::Docker::bind_roots, list_of(path()), kRestart,
           "Directories below which an environment may mount; none: no bind mounts.")
      .key("gpus", &C::Docker::gpus,
           list_of(record<GpuEntry>({{"id", &GpuEntry::id}, {"model", &GpuEntry::model}})), kRestart,
           "The GPUs of this machine that environments may have.")
      .key("concurrency", &C::Docker::concurrency, integer(1u, 64u), kRestart,
           "The most calls at once to one engine.")
      .key("grace", &C::Docker::grace, duration(seconds(0), minutes(10)), kRestart,
           "From TERM to KILL when an environment is stopped.")
      .key("timeout", &C::Docker::timeout, duration(seconds(5), hours(24)), kRestart,
           "The longest that one attempt may take, its pull included.");
  c.section("physical", &C::physical)
      .key("clean_script", &C::Physical::clean_script, path_or_none(), kRestart,
           "A script that is run on a machine which is given back, before it is available again.")
      .key("concurrency", &C::Physical::concurrency, integer(1u, 256u), kRestart,
           "The most machines worked on at once.")
      .key("timeout", &C::Physical::timeout, duration(seconds(5), hours(24)), kRestart,
           "The longest that one attempt may take.")
      .key("check", &C::Physical::check, duration(seconds(1), hours(24)), kRestart,
           "How often machines are looked at.");
  c.section("redis", &C::redis)
      .key("url", &C::Redis::url,
           secret_url("the URL of a Redis server, or \"\" for none",
                      [](const std::string&) { return std::string(); }),
           kRestart, "Where routes are written to, for gateways elsewhere.")
      .key("publish_verifiers", &C::Redis::publish_verifiers, boolean(), kRestart,
           "Whether the hashes of audited environments' passwords are written there, too.");
  c.section("reconcile", &C::reconcile)
      .key("resync", &C::Reconcile::resync, duration(milliseconds(100), hours(1)), kRestart,
           "How often everything is compared with what backends have.")
      .key("retry_first", &C::Reconcile::retry_first, duration(milliseconds(10), minutes(1)), kRestart,
           "The wait after a first failure; it doubles from there.")
      .key("retry_most", &C::Reconcile::retry_most, duration(milliseconds(10), hours(24)), kRestart,
           "The longest wait between two attempts.")
      .key("claim", &C::Reconcile::claim, duration(seconds(1), minutes(10)), kRestart,
           "How long a controller that died keeps others from its environments.")
      .key("give_up", &C::Reconcile::give_up, duration(seconds(1), hours(24 * 7)), kRestart,
           "After so long an operation that cannot be done is failed; its environment is still tried.")
      .key("reach", &C::Reconcile::reach, duration(seconds(0), minutes(10), true), kRestart,
           "How long a freshly started environment is given to answer on its ssh port before its operation "
           "ends.")
      .key("sweep_orphans", &C::Reconcile::sweep_orphans, boolean(), kRestart,
           "Whether things with our labels that no environment explains are removed, or only reported.");
}

}  // namespace

const ControlSchema& control_schema() {
  static const ControlSchema schema = [] {
    // The gateway's variables and sections, which it checks itself.
    ControlSchema made({"ENVGATE_", {"ENVGATE_*"}, {"*"}});
    declare(made.root());
    made.check([](const S& s, const Complain& complain) {
      const C& c = s.control;
      if (c.ports.ssh.first <= c.ports.tcp.last && c.ports.tcp.first <= c.ports.ssh.last)
        complain({"control.ports.tcp", "control.ports.ssh"}, "overlaps control.ports.ssh");
      if (c.tls.bind && (c.tls.certificate.empty() || c.tls.key.empty()))
        complain({"control.tls.bind"}, "needs control.tls.certificate and control.tls.key");
      if (c.reconcile.retry_first > c.reconcile.retry_most)
        complain({"control.reconcile.retry_first", "control.reconcile.retry_most"},
                 "is longer than control.reconcile.retry_most");
    });
    return made;
  }();
  return schema;
}

const ProgramText& program_text() {
  static const ProgramText text{
      "envgate-control",
      "The envgate control plane: makes environments and keeps them, and publishes their routes.",
      "ENVGATE_CONTROL_STORE is\ncontrol.store",
      "SIGHUP reads the settings and the TLS certificate again, and the log says which settings need a\n"
      "restart. SIGUSR1 opens the log file anew. SIGTERM ends, after what is being done is at a safe "
      "point.\n"};
  return text;
}

}  // namespace envgate::control
