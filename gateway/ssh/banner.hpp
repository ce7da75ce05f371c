// Is this SSH? The first bytes of either peer, judged as they arrive, before a relay is let to run: a port
// scan or a browser on an SSH port ends here, and so does a target that is not an SSH server.
// Thread: any. Owns: nothing.
// Source: RFC 4253 section 4.2. A line may end in LF alone, as OpenSSH accepts it from either side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace envgate::ssh {

enum class Peer : std::uint8_t { client, server };

struct Banner {
  enum State : std::uint8_t { need_more, ssh, not_ssh } state = need_more;
  std::string_view reason;    // where not_ssh: a literal in snake_case
  std::string_view software;  // where ssh: "OpenSSH_9.2p1 Debian-2", printable ASCII, a view of the buffer
  std::size_t size = 0;       // where ssh: bytes up to and including the identification line
};

inline constexpr std::size_t kIdentificationMax = 255;    // with CR LF
inline constexpr std::size_t kServerLinesMax = 8 * 1024;  // what a server may send before its identification
inline constexpr std::size_t kServerLineMax = 1024;

class BannerScanner {
 public:
  explicit BannerScanner(Peer peer) : peer_(peer) {}
  // Requires: `buffer` holds the peer's bytes from the first on; earlier ones are not looked at again.
  Banner scan(std::string_view buffer);

 private:
  Banner identification(std::string_view buffer) const;
  bool skip_server_line(std::string_view buffer, Banner& out);

  Peer peer_;
  std::size_t line_start_ = 0;
  std::size_t at_ = 0;
};

}  // namespace envgate::ssh
