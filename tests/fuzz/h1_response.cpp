// A target's answers: the same verdict however the bytes arrive; and what is accepted reaches the client as
// one head that reads back with the same status and the framing that was chosen, with no cookie for a
// neighbour.

#include <string>

#include "base/check.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/rewrite.hpp"
#include "tests/fuzz/pieces.hpp"

using namespace envgate::http;

namespace {

constexpr std::string_view kHost = "demo-80.c.x";

Scan scan_in_pieces(std::string_view input, const HeadLimits& limits, std::string& buffer) {
  HeadScanner scanner(Side::response, limits);
  Scan scan;
  for (const std::size_t cut : envgate::fuzz::cuts_of(input)) {
    buffer = std::string(input.substr(0, cut));
    scan = scanner.scan(buffer);
    if (scan.state != Scan::need_more) break;
  }
  return scan;
}

void check_http1(const ResponseHead& head, const ResponseContext& context) {
  ResponseForwarding forwarding;
  forwarding.framing = client_framing(head, Version::http11);
  forwarding.own_host = kHost;
  std::string wire;
  append_response_head(wire, head, forwarding);
  const HeadLimits wide{1 << 20, 1 << 20, 1 << 22, 1000};
  HeadScanner scanner(Side::response, wide);
  const Scan scan = scanner.scan(wire);
  CHECK(scan.state == Scan::complete && scan.head.size() == wire.size());
  ResponseHead seen;
  CHECK(parse_response_head(scan.head, context, seen).ok());
  CHECK(seen.status == head.status && seen.framing == forwarding.framing && seen.upgrade == head.upgrade);
  CHECK(seen.has_content_length == head.has_content_length && seen.content_length == head.content_length);
  for (const Field& field : seen.fields)
    CHECK(field.id != FieldId::set_cookie || !cookie_needs_narrowing(field.value, kHost));
}

// RFC 9113 section 8.2: what goes to HTTP/2 is lower case and has nothing of the connection.
void check_http2(const ResponseHead& head) {
  ResponseForwarding forwarding;
  forwarding.client_version = Version::http2;
  forwarding.framing = client_framing(head, Version::http2);
  forwarding.own_host = kHost;
  std::string scratch;
  ForwardedFields fields(head, forwarding, scratch);
  for (Field field; fields.next(field);) {
    CHECK(is_token(field.name));
    for (const char c : field.name) CHECK(c < 'A' || c > 'Z');
    CHECK(field.id != FieldId::connection && field.id != FieldId::transfer_encoding &&
          field.id != FieldId::upgrade);
    CHECK(field.value.find_first_of("\r\n") == std::string_view::npos &&
          trim(field.value).size() == field.value.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ResponseContext context{data[0] & 1 ? Method::head : Method::get,
                                data[0] & 2 ? Upgrade::websocket : Upgrade::none};
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (input.empty()) return 0;
  const HeadLimits limits{512, 512, 4096, 40};
  HeadScanner scanner(Side::response, limits);
  const Scan whole = scanner.scan(input);
  std::string buffer;
  const Scan pieces = scan_in_pieces(input, limits, buffer);
  CHECK(whole.state == pieces.state && whole.verdict == pieces.verdict &&
        whole.head.size() == pieces.head.size());
  if (whole.state != Scan::complete) return 0;
  ResponseHead head, other;
  const Verdict verdict = parse_response_head(whole.head, context, head);
  CHECK(verdict == parse_response_head(pieces.head, context, other));
  if (!verdict.ok()) return 0;
  check_http1(head, context);
  check_http2(head);
  return 0;
}
