#include "control/cli/connect.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/fd.hpp"
#include "base/ip.hpp"
#include "control/cli/exit_code.hpp"
#include "control/cli/tls_pump.hpp"

namespace envgate::cli {
namespace {

using std::chrono::steady_clock;
using Deadline = steady_clock::time_point;

constexpr std::chrono::seconds kPatience{15};  // for connecting and the handshake, together

constexpr Option kOptions[] = {
    {"--gateway", 'g', "HOST:PORT", "connect to this address (default: $ENVGATE_GATEWAY, else HOST itself)"},
    {"--ca", 0, "FILE",
     "trust the certificates in this PEM file (default: $ENVGATE_CA, else\n"
     "                            the system's)"},
    {"--insecure", 0, "", "do not check who answers: for a first look, never for work"},
};

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;
using ContextPtr = std::unique_ptr<SSL_CTX, SslFree>;

// True when `fd` is ready, false when the deadline came first.
bool wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd one{fd, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Result<Fd> connect_one(const addrinfo& address, Deadline deadline) {
  Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return fail_errno("socket", errno);
  int error = ::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    error = ETIMEDOUT;
    socklen_t size = sizeof(error);
    if (wait_for(fd.get(), POLLOUT, deadline)) ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) return fail(std::strerror(error), error);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  return fd;
}

// Every address of the name in turn. None may use up the time of those behind it.
Result<Fd> connect_to(const HostPort& where, Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
  if (rc != 0)
    return fail("cannot find the address of " + where.host + ": " + ::gai_strerror(rc) +
                "; --gateway HOST:PORT says where the gateway is without asking DNS");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  std::size_t left = 0;
  for (const addrinfo* one = found; one; one = one->ai_next) ++left;
  std::string why;
  for (const addrinfo* one = found; one; one = one->ai_next, --left) {
    const auto now = steady_clock::now();
    auto connected = connect_one(*one, now + (deadline - now) / left);
    if (connected) return connected;
    why = connected.error().message;
  }
  return fail("cannot connect to " + where.host + " port " + std::to_string(where.port) + ": " + why);
}

std::string tls_error(SSL* ssl) {
  if (const long verdict = SSL_get_verify_result(ssl); verdict != X509_V_OK)
    return X509_verify_cert_error_string(verdict);
  const unsigned long code = ERR_peek_last_error();
  if (!code) return "the connection was closed";
  const char* const reason = ERR_reason_error_string(code);
  return reason ? reason : "error " + std::to_string(code);
}

Result<ContextPtr> make_context(const Invocation& call) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail("TLS: out of memory");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (call.has("--insecure")) return context;
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const char* const named = std::getenv("ENVGATE_CA");
  const std::string ca = call.value("--ca", named ? named : "");
  const int loaded = ca.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                : SSL_CTX_load_verify_locations(context.get(), ca.c_str(), nullptr);
  if (loaded != 1)
    return fail((ca.empty() ? "the system's certificates" : ca) +
                ": no certificates can be read from it (PEM is expected)");
  return context;
}

// RFC 6066 section 3: a server name is no address and has no dot at its end.
Result<void> name_peer(SSL* ssl, std::string host) {
  if (host.ends_with('.')) host.pop_back();
  if (IpAddress::parse(host))
    return fail(host +
                " is an address: the gateway finds the environment by its name, such as demo.ssh.localhost"
                " (--gateway HOST:PORT says where to connect)");
  if (SSL_set_tlsext_host_name(ssl, host.c_str()) != 1 || SSL_set1_host(ssl, host.c_str()) != 1)
    return fail(host + " is no host name");
  return {};
}

Result<void> shake_hands(SSL* ssl, Deadline deadline) {
  for (;;) {
    ERR_clear_error();
    const int rc = SSL_connect(ssl);
    if (rc == 1) return {};
    const int error = SSL_get_error(ssl, rc);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      const bool untrusted = SSL_get_verify_result(ssl) != X509_V_OK;
      return fail(
          "the TLS handshake failed: " + tls_error(ssl) +
          (untrusted ? "; --ca FILE trusts a private authority, such as the quickstart's ca.pem" : ""));
    }
    if (!wait_for(SSL_get_fd(ssl), error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline))
      return fail("the TLS handshake failed: no answer in time");
  }
}

int complain(const Error& error, ExitCode code) {
  std::fprintf(stderr, "envctl: %s\n", error.message.c_str());
  return code;
}

int run_connect(const Invocation& call) {
  const auto host = parse_host_port(call.words[0], 443);
  if (!host) return complain(host.error(), kMisuse);
  const char* const named = std::getenv("ENVGATE_GATEWAY");
  const std::string gateway = call.value("--gateway", named ? named : "");
  const auto where = gateway.empty() ? host : parse_host_port(gateway, host->port);
  if (!where) return complain(where.error(), kMisuse);
  ::signal(SIGPIPE, SIG_IGN);

  const auto context = make_context(call);
  if (!context) return complain(context.error(), kFailed);
  const SslPtr ssl(SSL_new(context->get()));
  if (!ssl) return complain({"TLS: out of memory", 0}, kFailed);
  if (auto good = name_peer(ssl.get(), host->host); !good) return complain(good.error(), kMisuse);
  const Deadline deadline = steady_clock::now() + kPatience;
  const auto fd = connect_to(*where, deadline);
  if (!fd) return complain(fd.error(), kFailed);
  SSL_set_fd(ssl.get(), fd->get());
  if (auto secured = shake_hands(ssl.get(), deadline); !secured) return complain(secured.error(), kFailed);
  if (auto pumped = pump(ssl.get(), STDIN_FILENO, STDOUT_FILENO); !pumped)
    return complain(pumped.error(), kFailed);
  return kOk;
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port) {
  HostPort out{"", default_port};
  std::string_view host = text, port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos) return fail("'" + std::string(text) + "': the ']' is missing");
    host = text.substr(1, end - 1);
    has_port = end + 1 < text.size();
    if (has_port && text[end + 1] != ':') return fail("'" + std::string(text) + "' is not HOST or HOST:PORT");
    if (has_port) port = text.substr(end + 2);
  } else if (const std::size_t colon = text.find(':');
             colon != text.npos && text.find(':', colon + 1) == text.npos) {
    has_port = true;
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }  // more than one colon: an IPv6 address without a port
  if (has_port) {
    const auto read = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (read.ec != std::errc() || read.ptr != port.data() + port.size() || out.port == 0)
      return fail("'" + std::string(text) + "': '" + std::string(port) + "' is not a port (1 to 65535)");
  }
  if (host.empty()) return fail("'" + std::string(text) + "' names no host");
  out.host = host;
  return out;
}

Command connect_command() {
  return {"connect",
          "HOST[:PORT]",
          1,
          1,
          kOptions,
          "Carry standard input and output to an environment through TLS",
          "\nFor ssh, on networks where only port 443 is open:\n"
          "  ssh -o ProxyCommand='envctl connect %h' root@ENV.ssh.DOMAIN\n"
          "HOST is what the certificate must be good for, and names the environment to the gateway (SNI).\n"
          "PORT is 443 where it is left out.\n",
          run_connect};
}

}  // namespace envgate::cli
