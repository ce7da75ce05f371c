// HTTP/1 requests: the same verdict however the bytes arrive; and what is accepted is written for the target
// as one head that reads back as the same request, with the gateway's own word on who the client is.

#include <string>

#include "base/check.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/rewrite.hpp"
#include "tests/fuzz/pieces.hpp"

using namespace envgate::http;

namespace {

struct Outcome {
  Scan scan;
  std::string buffer;
};

void scan_whole(std::string_view input, const HeadLimits& limits, Outcome& out) {
  HeadScanner scanner(Side::request, limits);
  out.buffer = input;
  out.scan = scanner.scan(out.buffer);
}

void scan_in_pieces(std::string_view input, const HeadLimits& limits, Outcome& out) {
  HeadScanner scanner(Side::request, limits);
  for (const std::size_t cut : envgate::fuzz::cuts_of(input)) {
    out.buffer = std::string(input.substr(0, cut));
    out.scan = scanner.scan(out.buffer);
    if (out.scan.state != Scan::need_more) return;
  }
}

std::string written(const RequestHead& head) {
  Forwarding forwarding;
  forwarding.client_address = "203.0.113.7";
  forwarding.request_id = "id";
  std::string out;
  append_request_head(out, head, forwarding);
  return out;
}

void check_client_fields(const RequestHead& seen) {
  int real_ip = 0, forwarded = 0;
  for (const Field& field : seen.fields) {
    CHECK(field.id != FieldId::underscored && field.id != FieldId::forwarded && field.id != FieldId::proxy);
    CHECK(field.id != FieldId::x_real_ip || field.value == "203.0.113.7");
    real_ip += field.id == FieldId::x_real_ip;
    forwarded += field.id == FieldId::x_forwarded;
  }
  CHECK(real_ip == 1 && forwarded == 3);
}

void check_accepted(const RequestHead& head) {
  const HeadLimits wide{1 << 20, 1 << 20, 1 << 22, 1000};
  const std::string wire = written(head);
  Outcome again;
  scan_whole(wire, wide, again);
  CHECK(again.scan.state == Scan::complete);
  CHECK(again.scan.head.size() == wire.size());  // one head, nothing behind it
  RequestHead seen;
  CHECK(parse_request_head(again.scan.head, seen).ok());
  CHECK(seen.method_name == head.method_name && seen.path == head.path && seen.query == head.query);
  CHECK(seen.authority.text == head.authority.text && seen.upgrade == head.upgrade);
  CHECK(seen.has_body() == head.has_body() && seen.content_length == head.content_length);
  CHECK(!head.has_body() || seen.framing == head.framing);
  check_client_fields(seen);
  CHECK(written(seen) == wire);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const HeadLimits limits{512, 512, 4096, 40};
  Outcome whole, pieces;
  scan_whole(input, limits, whole);
  scan_in_pieces(input, limits, pieces);
  CHECK(input.empty() || whole.scan.state == pieces.scan.state);
  CHECK(input.empty() || whole.scan.verdict == pieces.scan.verdict);
  CHECK(input.empty() || whole.scan.head.size() == pieces.scan.head.size());
  if (whole.scan.state != Scan::complete) return 0;
  RequestHead head, other;
  const Verdict verdict = parse_request_head(whole.scan.head, head);
  CHECK(verdict == parse_request_head(pieces.scan.head, other));
  if (verdict.ok()) check_accepted(head);
  return 0;
}
