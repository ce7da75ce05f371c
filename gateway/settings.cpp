#include "gateway/settings.hpp"

#include "gateway/load_settings.hpp"
#include "gateway/password_pool.hpp"
#include "gateway/settings_checks.hpp"
#include "routing/allowed.hpp"

namespace envgate::gateway {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using namespace settings;  // the types of the schema below read as a language of their own

using Root = Section<GatewaySettings, GatewaySettings>;
using G = GatewaySettings;

constexpr auto kLive = Apply::live;
constexpr auto kRestart = Apply::restart;
constexpr unsigned kMillion = 1'000'000;
constexpr bool kZeroIsNone = true;

Type<Duration> up_to_a_day() { return duration(milliseconds(100), hours(24)); }

void declare_process(Root root) {
  root.key("domain", &G::domain, text("a domain name, such as x-gpu.com", check_domain), kRestart,
           "Environments are <env>.ssh.<domain> and <env>-<port>.container.<domain>.")
      .key("workers", &G::workers, integer(0u, 1024u), kRestart,
           "Threads that serve connections; 0: one per core.")
      .key("user", &G::user, text("an account's name, or \"\"", check_account), kRestart,
           "The account to become once the ports are bound; empty: stay as started.");
  root.section("admin", &G::admin)
      .key("socket", &G::Admin::socket, text("a path, or \"\"", check_socket), kRestart,
           "The control socket of envctl gateway (mode 0660); empty: none.")
      .key("group", &G::Admin::group, text("a group's name, or \"\"", check_account), kRestart,
           "The group that owns the control socket and may use it; empty: our own.");
  root.section("metrics", &G::metrics)
      .key("bind", &G::Metrics::bind, optional(endpoint()), kRestart,
           "Where /metrics, /healthz and /readyz are; empty: none.");
  root.section("log", &G::log)
      .key("level", &G::Log::level,
           choice<log::Level>({{"debug", log::Level::debug},
                               {"info", log::Level::info},
                               {"warn", log::Level::warn},
                               {"error", log::Level::error}}),
           kLive, "The least level that is written.")
      .key("file", &G::Log::file, text("a path, or -", check_path), kRestart,
           "Where log lines go; -: standard error.");
}

void declare_routes(Root root) {
  auto routes = root.section("routes", &G::routes);
  routes
      .key("source", &G::Routes::source,
           choice<RouteSource>({{"control", RouteSource::control},
                                {"redis", RouteSource::redis},
                                {"file", RouteSource::file}}),
           kRestart, "Where routes come from.")
      .key("file", &G::Routes::file, text("a path", check_path), kRestart,
           "With source file: the YAML file of routes.")
      .key("snapshot", &G::Routes::snapshot, text("a path, or \"\""), kRestart,
           "The last good routes, to start from while the source is away; empty: none is kept.")
      .key("max_stale", &G::Routes::max_stale, duration(seconds(1), hours(24 * 365), kZeroIsNone), kLive,
           "How long routes serve on while their source is away; 0: for ever.")
      .key("allowed_targets", &G::Routes::allowed_targets, list_of(cidr()), kLive,
           "The only networks that a route may lead to.")
      .key("on_change", &G::Routes::on_change,
           choice<OnRouteChange>({{"keep", OnRouteChange::keep}, {"close", OnRouteChange::close}}), kLive,
           "What live sessions see when their route gets a new generation or goes away.");
  routes.section("control", &G::Routes::control)
      .key("socket", &G::Routes::Control::socket, text("a path", check_needed_socket), kRestart,
           "With source control: the control plane's socket (its control.socket).");
  routes.section("redis", &G::Routes::redis)
      .key("url", &G::Routes::Redis::url, secret_url("the URL of a Redis server", check_redis_url), kRestart,
           "With source redis: the server; its password is never shown.")
      .key("require_noeviction", &G::Routes::Redis::require_noeviction, boolean(), kRestart,
           "Refuse a Redis that may evict routes (maxmemory-policy allkeys-*), instead of warning.");
}

void declare_listeners(Root root) {
  root.section("ssh", &G::ssh)
      .key("bind", &G::Ssh::bind, optional(bind_address()), kRestart,
           "The address of the SSH listeners; their ports come from the routes. Empty: no SSH ports.")
      .key("port_range", &G::Ssh::port_range, port_range(), kLive,
           "A route's listening port outside it is refused.")
      .key("pipe_size", &G::Ssh::pipe_size, byte_size(Bytes{4096}, Bytes{1 << 20}), kLive,
           "The pipe that a relay splices through, per direction and while bytes move.");
  root.section("https", &G::https)
      .key("bind", &G::Https::bind, optional(endpoint()), kRestart,
           "The HTTPS (and SSH over TLS) listener; empty: off.")
      .key("certificates", &G::Https::certificates,
           list_of(record<CertificateFiles>(
               {{"certificate", &CertificateFiles::certificate}, {"key", &CertificateFiles::key}})),
           kLive,
           "PEM files, chosen by the name that the client asks for; the first also serves every other name.")
      .key("min_version", &G::Https::min_version,
           choice<TlsVersion>({{"1.2", TlsVersion::tls12}, {"1.3", TlsVersion::tls13}}), kLive,
           "The lowest TLS version.")
      .key("ticket_rotation", &G::Https::ticket_rotation, duration(minutes(1), hours(24 * 7)), kLive,
           "How often the key of session tickets changes.");
  root.section("proxy_protocol", &G::proxy_protocol)
      .key("trusted", &G::ProxyProtocol::trusted, list_of(cidr()), kLive,
           "Load balancers whose PROXY header (v1 or v2) is required and believed.");
  root.section("tcp", &G::tcp)
      .key("keepalive", &G::Tcp::keepalive, duration(seconds(1), hours(2), kZeroIsNone), kLive,
           "Silence before the kernel probes whether a peer is still there; 0: never.");
}

void declare_audited(Root root) {
  using A = G::Ssh::Audited;
  auto audited = root.section("ssh", &G::ssh).section("audited", &G::Ssh::audited);
  audited
      .key("host_key_file", &A::host_key_file, text("a path, or \"\""), kRestart,
           "The secret that host keys are made of; empty: audited sessions are not served.")
      .key("bind", &A::bind, optional(endpoint()), kRestart,
           "Where the user name says which environment (root+<env>), and jumps go through; empty: off.")
      .key("user", &A::user, text("an account's name, or \"\"", check_account), kRestart,
           "The account of the session processes, where started as root; empty: `user`.")
      .key("program", &A::program, text("a path, or \"\""), kRestart,
           "The session program; empty: envgate-session beside the gateway's own.")
      .key("user_cas", &A::user_cas, list_of(text("a path", check_path)), kRestart,
           "Files of CA public keys whose user certificates customers may come with.")
      .key("login_grace", &A::login_grace, duration(seconds(1), hours(1)), kLive,
           "From the connection to the login; who takes longer is cut.")
      .key("max_tries", &A::max_tries, integer(1u, 100u), kLive,
           "Failed tries on one connection; then it ends.")
      .key("passwords", &A::passwords, boolean(), kLive, "Whether customers may log in by password.")
      .key("password_threads", &A::password_threads, integer(1u, PasswordPool::kThreadsMax), kRestart,
           "Threads that check passwords.");
  audited.section("onward", &A::onward)
      .key("ca_file", &A::Onward::ca_file, text("a path, or \"\""), kRestart,
           "The CA that signs a certificate for each session, which targets trust; empty: none.")
      .key("key_file", &A::Onward::key_file, text("a path, or \"\""), kRestart,
           "The private key that every target accepts, where there is no CA.");
  audited.section("startups", &A::startups)
      .key("begin", &A::Startups::begin, integer(1u, 100'000u), kLive,
           "Connections on their way to a login from which on new ones are dropped by chance.")
      .key("rate", &A::Startups::rate, integer(0u, 100u), kLive, "The chance at `begin`, in percent.")
      .key("full", &A::Startups::full, integer(1u, 100'000u), kLive, "And from which on all are.")
      .key("per_source", &A::Startups::per_source, integer(0u, 100'000u), kLive,
           "The most of one source; 0: no limit.");
  audited.section("penalties", &A::penalties)
      .key("enabled", &A::Penalties::enabled, boolean(), kLive,
           "Whether a source that fails to log in is refused for a while.")
      .key("exempt", &A::Penalties::exempt, list_of(cidr()), kLive,
           "Networks that are never refused for it.");
}

void declare_http(Root root) {
  // A head is parsed in place, in one buffer that every connection may have to keep: hence the low ceiling.
  const auto size = [](std::uint64_t least) { return byte_size(Bytes{least}, Bytes{16 << 10}); };
  root.section("http", &G::http)
      .key("bind", &G::Http::bind, optional(endpoint()), kRestart,
           "Answers with a redirect to https; empty: off.")
      .key("default_ports", &G::Http::default_ports, list_of(integer<std::uint16_t>(1)), kLive,
           "The ports open over HTTPS for routes that declare none.")
      .key("max_head_bytes", &G::Http::max_head_bytes, size(1024), kLive,
           "The longest request or response head, start line and fields together.")
      .key("max_fields", &G::Http::max_fields, integer(8u, 10'000u), kLive,
           "The most fields in one head or trailer.")
      .key("max_request_line", &G::Http::max_request_line, size(256), kLive, "The longest request line.")
      .key("min_body_rate", &G::Http::min_body_rate, byte_size(Bytes{1}, Bytes{1 << 30}, kZeroIsNone), kLive,
           "The slowest request body, in bytes per second on average; 0: any.");
  root.section("private", &G::private_ports)
      .key("key_file", &G::Private::key_file, text("a path, or \"\""), kLive,
           "The key of tickets to private ports, shared with the control plane; empty: they are closed.")
      .key("cookie_lifetime", &G::Private::cookie_lifetime, duration(minutes(1), hours(24 * 30)), kLive,
           "How long a browser that came with a ticket may use the private port.");
  root.section("http2", &G::http2)
      .key("max_concurrent_streams", &G::Http2::max_concurrent_streams, integer(1u, 10'000u), kLive,
           "The most requests at once on one client's connection.");
  root.section("target", &G::target)
      .key("pool_idle", &G::Target::pool_idle, duration(seconds(1), hours(1), kZeroIsNone), kLive,
           "How long an unused connection to a target is kept; 0: none is.")
      .key("pool_per_environment", &G::Target::pool_per_environment, integer(0u, 10'000u), kLive,
           "The most unused connections kept to one environment.");
}

void declare_records(Root root) {
  using R = G::Audit::Records;
  const auto size = [](std::uint64_t most) { return byte_size(Bytes{1}, Bytes{most}, kZeroIsNone); };
  root.section("audit", &G::audit)
      .section("records", &G::Audit::records)
      .key("directory", &R::directory, text("a path", check_path), kRestart,
           "The folder of the records of audited SSH sessions.")
      .key("key_file", &R::key_file, text("a path, or \"\""), kRestart,
           "The key that records are signed with, made where it is missing; empty: they are not signed.")
      .key("on_failure", &R::on_failure,
           choice<OnRecordFailure>({{"stop", OnRecordFailure::stop}, {"continue", OnRecordFailure::go_on}}),
           kLive, "What an audited session does that cannot be recorded.")
      .key("min_free", &R::min_free, size(1ull << 50), kLive,
           "No audited session begins with less room than this on the folder's disk; 0: any.")
      .key("max_age", &R::max_age, duration(minutes(1), hours(24 * 365 * 20), kZeroIsNone), kLive,
           "Records older than this are removed; 0: none is for its age.")
      .key("max_bytes", &R::max_bytes, size(1ull << 60), kLive,
           "The oldest records are removed while all take more than this; 0: no limit.")
      .key("input", &R::input, boolean(), kLive, "Record what is typed at terminals, passwords with it.")
      .key("exec_output", &R::exec_output, size(1ull << 30), kLive,
           "What is kept of the output of a command without a terminal; 0: none.")
      .key("max_output", &R::max_output, size(1ull << 40), kLive,
           "What is kept of the output of one terminal; 0: all.");
}

void declare_limits(Root root) {
  const auto count = [] { return integer(0u, 100 * kMillion); };
  root.section("limits", &G::limits)
      .key("connections", &G::Limits::connections, count(), kLive,
           "The most client connections at once; 0: no limit.")
      .key("connections_per_source", &G::Limits::connections_per_source, count(), kLive,
           "The most at once from one address (IPv6: one /64); 0: no limit.")
      .key("connections_per_environment", &G::Limits::connections_per_environment, count(), kLive,
           "The most at once to one environment; 0: no limit.")
      .key("connection_rate_per_source", &G::Limits::connection_rate_per_source, count(), kLive,
           "The most new connections per second from one address; 0: no limit.")
      .key("requests_per_source", &G::Limits::requests_per_source, count(), kLive,
           "The most HTTP requests per second from one address; 0: no limit.")
      .key("requests_per_environment", &G::Limits::requests_per_environment, count(), kLive,
           "The most HTTP requests per second to one environment; 0: no limit.");
}

void declare_timeouts(Root root) {
  using T = G::Timeouts;
  root.section("timeouts", &G::timeouts)
      .key("handshake", &T::handshake, up_to_a_day(), kLive,
           "A TLS handshake or PROXY header, from its connection on.")
      .key("request_head", &T::request_head, up_to_a_day(), kLive,
           "A request's whole head, from its first byte on.")
      .key("request_body", &T::request_body, up_to_a_day(), kLive,
           "The longest silence within a request's body, and the grace before http.min_body_rate counts.")
      .key("idle", &T::idle, up_to_a_day(), kLive, "A client connection between two requests.")
      .key("connect", &T::connect, up_to_a_day(), kLive, "A connection to a target.")
      .key("response_head", &T::response_head, duration(milliseconds(100), hours(24), kZeroIsNone), kLive,
           "A target's answer, from the end of the request to the first byte; 0: no limit.")
      .key("tunnel_idle", &T::tunnel_idle, duration(seconds(1), hours(24 * 365), kZeroIsNone), kLive,
           "Silence both ways in SSH, TCP and WebSocket sessions; 0: they are never cut for it.")
      .key("ssh_banner", &T::ssh_banner, up_to_a_day(), kLive,
           "The SSH banner of the client, and of the target.")
      .key("wake", &T::wake, up_to_a_day(), kLive,
           "How long a client is held while the stopped environment that it comes to starts.")
      .key("drain", &T::drain, duration(milliseconds(0), hours(24)), kLive,
           "How long open sessions may go on after SIGTERM.");
}

}  // namespace

GatewaySettings::Routes::Routes() : allowed_targets(routing::AllowedTargets::defaults()) {}

const Schema& gateway_schema() {
  static const Schema schema = [] {
    // The control plane shares the prefix and has settings of its own; ENVGATE_TEST_* is left to test
    // harnesses.
    Schema made({"ENVGATE_", {"ENVGATE_ENVIRONMENT", "ENVGATE_CONTROL_*", "ENVGATE_TEST_*"}, {"control"}});
    declare_process(made.root());
    declare_routes(made.root());
    declare_listeners(made.root());
    declare_audited(made.root());
    declare_http(made.root());
    declare_records(made.root());
    declare_limits(made.root());
    declare_timeouts(made.root());
    made.check(check_listeners);
    made.check(check_certificates);
    made.check(check_routes);
    made.check(check_http_limits);
    made.check(check_records);
    return made;
  }();
  return schema;
}

}  // namespace envgate::gateway
