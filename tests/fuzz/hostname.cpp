// A host name from a TLS SNI, a Host field or an ssh user name. What is taken for one of ours must be the one
// that we would build, but for case and a trailing dot.
#include <cctype>
#include <string>

#include "base/check.hpp"
#include "routing/names.hpp"

using namespace envgate::routing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view host(reinterpret_cast<const char*>(data), size);
  static const Domain domain = *Domain::make("x-gpu.com");
  if (const auto name = domain.parse(host)) {
    std::string folded;
    for (const char c : host) folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (folded.back() == '.') folded.pop_back();
    const bool ssh = name->kind == HostName::Kind::ssh;
    CHECK(folded == (ssh ? domain.ssh_host(name->env) : domain.container_host(name->env, name->port)));
    CHECK(ssh == (name->port == 0));
  }
  (void)EnvId::parse(host);
  (void)EnvId::parse_folded(host);
  (void)parse_port(host);
  if (const auto own = Domain::make(host)) CHECK(!own->parse(own->name()));
  return 0;
}
