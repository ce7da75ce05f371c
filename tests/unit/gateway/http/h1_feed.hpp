// Feeding a head to the HTTP/1 parser whole, a byte at a time, or cut anywhere; the results must be the same.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/h1_parser.hpp"

namespace envgate::http::test {

// Scans `bytes` as they arrive in pieces that end at `cuts` (ascending). Each piece is scanned in a buffer of
// its own, so that a view or an offset kept from the one before shows up.
inline Scan scan_in_pieces(HeadScanner& scanner, std::string_view bytes, const std::vector<std::size_t>& cuts,
                           std::string& buffer) {
  for (const std::size_t cut : cuts) {
    buffer = std::string(bytes.substr(0, cut));
    const Scan scan = scanner.scan(buffer);
    if (scan.state != Scan::need_more) return scan;
  }
  buffer = std::string(bytes);
  return scanner.scan(buffer);
}

inline std::vector<std::size_t> every_byte(std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 0; i < size; ++i) cuts.push_back(i);
  return cuts;
}

inline std::vector<std::size_t> random_cuts(std::mt19937& random, std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::size_t at = 0; at < size; at += 1 + random() % 40) cuts.push_back(at);
  return cuts;
}

struct ParsedRequest {
  std::string buffer;  // what the head's views point into
  Verdict verdict;
  RequestHead head;
  bool complete = false;
  std::size_t consumed = 0;
};

inline void parse_request(std::string_view bytes, const std::vector<std::size_t>& cuts, ParsedRequest& out,
                          const HeadLimits& limits = HeadLimits()) {
  HeadScanner scanner(Side::request, limits);
  const Scan scan = scan_in_pieces(scanner, bytes, cuts, out.buffer);
  out.verdict = scan.verdict;
  if (scan.state != Scan::complete) return;
  out.complete = true;
  out.consumed = scan.head.size();
  out.verdict = parse_request_head(scan.head, out.head);
}

struct ParsedResponse {
  std::string buffer;
  Verdict verdict;
  ResponseHead head;
  bool complete = false;
  std::size_t consumed = 0;
};

inline void parse_response(std::string_view bytes, const ResponseContext& context,
                           const std::vector<std::size_t>& cuts, ParsedResponse& out,
                           const HeadLimits& limits = HeadLimits()) {
  HeadScanner scanner(Side::response, limits);
  const Scan scan = scan_in_pieces(scanner, bytes, cuts, out.buffer);
  out.verdict = scan.verdict;
  if (scan.state != Scan::complete) return;
  out.complete = true;
  out.consumed = scan.head.size();
  out.verdict = parse_response_head(scan.head, context, out.head);
}

}  // namespace envgate::http::test
