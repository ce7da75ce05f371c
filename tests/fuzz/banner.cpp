// SSH banners: the same verdict however the bytes arrive, and a software version that is fit for a log line.

#include <string>

#include "base/check.hpp"
#include "gateway/ssh/banner.hpp"
#include "tests/fuzz/pieces.hpp"

using namespace envgate::ssh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Peer peer = data[0] & 1 ? Peer::server : Peer::client;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  BannerScanner scanner(peer), incremental(peer);
  const Banner whole = scanner.scan(input);
  Banner part;
  for (const std::size_t cut : envgate::fuzz::cuts_of(input)) {
    part = incremental.scan(std::string(input.substr(0, cut)));
    if (part.state != Banner::need_more) break;
  }
  CHECK(part.state == whole.state && part.reason == whole.reason && part.size == whole.size);
  CHECK((whole.state == Banner::not_ssh) == !whole.reason.empty());
  if (whole.state != Banner::ssh) return 0;
  CHECK(whole.size <= input.size() && input[whole.size - 1] == '\n' && !whole.software.empty());
  for (const char c : whole.software) CHECK(c >= 0x20 && c <= 0x7e);
  return 0;
}
