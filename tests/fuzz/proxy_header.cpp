// PROXY headers: a prefix is either not enough or already has the whole's verdict, and what was consumed is
// needed.

#include <string>

#include "base/check.hpp"
#include "gateway/net/proxy_protocol.hpp"
#include "tests/fuzz/pieces.hpp"

using envgate::net::parse_proxy_header;
using envgate::net::ProxyHeader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const ProxyHeader whole = parse_proxy_header(input);
  CHECK(whole.consumed <= input.size() && whole.consumed <= envgate::net::kProxyV2Max);
  CHECK((whole.state == ProxyHeader::invalid) == !whole.reason.empty());
  CHECK((whole.state == ProxyHeader::complete) == (whole.consumed > 0));
  for (const std::size_t cut : envgate::fuzz::cuts_of(input)) {
    const ProxyHeader part = parse_proxy_header(input.substr(0, cut));
    if (part.state == ProxyHeader::need_more) {
      CHECK(whole.state != ProxyHeader::complete || cut < whole.consumed);
      continue;
    }
    CHECK(part.state == whole.state && part.reason == whole.reason && part.consumed == whole.consumed);
    CHECK(part.has_addresses == whole.has_addresses && part.source == whole.source);
    CHECK(part.destination == whole.destination);
  }
  return 0;
}
