// envgate-session: started by envgate, which speaks to it over descriptor 3; nobody else has a use for it.
// usage: envgate-session [ACCOUNT]   the account to become, where it is started as root
#include <sys/socket.h>

#include <cstdio>
#include <cstring>

#include "gateway/privileges.hpp"
#include "gateway/ssh/session/keeper.hpp"

namespace {

constexpr int kGatewaySocket = 3;
constexpr const char* kText =
    "envgate-session: the process that audited SSH sessions run in, one for each, in a sandbox.\n"
    "envgate starts it by itself (ssh.audited in its settings); there is nothing to call it for.\n";

bool started_by_gateway() {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(kGatewaySocket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--help") == 0) return std::fputs(kText, stdout) < 0;
  if (argc > 2 || !started_by_gateway()) {
    std::fputs(kText, stderr);
    return 2;
  }
  if (auto become = envgate::gateway::become(argc == 2 ? argv[1] : ""); !become) {
    std::fprintf(stderr, "envgate-session: ssh.audited.%s\n", become.error().message.c_str());
    return 1;
  }
  return envgate::ssh::session::keep(envgate::Fd(kGatewaySocket));
}
