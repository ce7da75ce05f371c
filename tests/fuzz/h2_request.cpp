// HTTP/2 header blocks: whatever is accepted must be one HTTP/1.1 request for the target, the same one. The
// input is the block as "name\x1fvalue\x1e" pieces; its first byte says whether END_STREAM was set.

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/message_h2.hpp"
#include "gateway/http/rewrite.hpp"

using namespace envgate::http;

namespace {

std::vector<NameValue> read_block(std::string_view input) {
  std::vector<NameValue> block;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\x1e'), input.size());
    const std::string_view piece = input.substr(0, end);
    const std::size_t split = std::min(piece.find('\x1f'), piece.size());
    block.push_back({piece.substr(0, split), piece.substr(std::min(split + 1, piece.size()))});
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  return block;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto block = read_block({reinterpret_cast<const char*>(data) + 1, size - 1});
  const HeadLimits limits{512, 512, 4096, 40};
  RequestHead head;
  if (!build_h2_request(block, (data[0] & 1) != 0, limits, head).ok()) return 0;
  Forwarding forwarding;
  forwarding.client_address = "203.0.113.7";
  forwarding.websocket_key = "dGhlIHNhbXBsZSBub25jZQ==";
  std::string wire;
  append_request_head(wire, head, forwarding);
  const HeadLimits wide{1 << 20, 1 << 20, 1 << 22, 1000};
  HeadScanner scanner(Side::request, wide);
  const Scan scan = scanner.scan(wire);
  CHECK(scan.state == Scan::complete && scan.head.size() == wire.size());
  RequestHead seen;
  CHECK(parse_request_head(scan.head, seen).ok());
  CHECK(seen.method_name == (head.upgrade == Upgrade::websocket ? "GET" : head.method_name));
  CHECK(seen.path == head.path && seen.query == head.query && seen.authority.text == head.authority.text);
  CHECK(seen.upgrade == head.upgrade && seen.has_body() == head.has_body());
  CHECK(seen.content_length == head.content_length);
  return 0;
}
