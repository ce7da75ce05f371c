#include <algorithm>

#include "gateway/http/h1_lines.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/message_framing.hpp"

namespace envgate::http {
namespace {

using internal::ControlFields;

struct RequestLine {
  std::string_view method, target, version;
};

// method SP request-target SP HTTP-version, with exactly these spaces (RFC 9112 section 3).
Verdict split_request_line(std::string_view line, RequestLine& out) {
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return reject(400, "bad_request_line");
  const std::size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return reject(400, "bad_request_line");
  out = {line.substr(0, first), line.substr(first + 1, second - first - 1), line.substr(second + 1)};
  if (out.method.size() > internal::kMethodMax || !is_token(out.method)) return reject(400, "bad_method");
  return {};
}

Verdict read_version(std::string_view text, Version& out) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 8 || text.substr(0, 5) != "HTTP/" || !is_digit(text[5]) || text[6] != '.' ||
      !is_digit(text[7]))
    return reject(400, "bad_request_line");
  if (text == "HTTP/1.1") out = Version::http11;
  else if (text == "HTTP/1.0") out = Version::http10;
  else return reject(505, "version_not_supported");
  return {};
}

std::size_t scheme_length(std::string_view target) {
  if (equals_ignoring_case(target.substr(0, 7), "http://")) return 7;
  return equals_ignoring_case(target.substr(0, 8), "https://") ? 8 : 0;
}

// RFC 9112 section 3.2. `authority` is filled for the absolute form only.
Verdict read_target(std::string_view target, RequestHead& out, Authority& authority) {
  const std::size_t scheme = scheme_length(target);
  if (scheme == 0) return internal::read_path(target, out);
  const std::string_view rest = target.substr(scheme);
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  if (!parse_authority(rest.substr(0, end), authority)) return reject(400, "bad_target");
  const std::string_view path = rest.substr(end);
  if (path.starts_with('/')) return internal::read_path(path, out);
  // RFC 9112 sections 3.2.1 and 3.2.4: an empty path is "/", or "*" for OPTIONS.
  if (!internal::has_target_bytes_only(path)) return reject(400, "bad_target");
  out.path = path.empty() && out.method == Method::options ? "*" : "/";
  out.query = path;
  return {};
}

Verdict read_host(const ControlFields& control, const Authority& absolute, RequestHead& out) {
  if (control.two_hosts) return reject(400, "two_hosts");
  if (control.host == nullptr) return reject(400, "no_host");
  if (!parse_authority(control.host->value, out.authority)) return reject(400, "bad_host");
  if (!absolute.text.empty() && !equals_ignoring_case(absolute.text, out.authority.text))
    return reject(400, "target_differs_from_host");
  return {};
}

Verdict read_expect(const ControlFields& control, RequestHead& out) {
  if (out.version == Version::http10) return {};  // RFC 9110 section 10.1.1
  if (control.expect_other) return reject(417, "unknown_expectation");
  out.expect_continue = control.expect_continue && out.has_body();
  return {};
}

Verdict read_upgrade(const ControlFields& control, RequestHead& out) {
  // RFC 9110 section 7.8: ignored in HTTP/1.0, and without the connection option. What is not a GET to
  // websocket (h2c above all) is ignored too, which is a server's right: the request is answered as if it had
  // not asked.
  if (!control.websocket || !control.upgrade || out.version != Version::http11 || out.method != Method::get)
    return {};
  if (out.has_body()) return reject(400, "upgrade_with_body");
  out.upgrade = Upgrade::websocket;
  return {};
}

Verdict read_fields(const Authority& absolute, RequestHead& out) {
  ControlFields control;
  if (auto verdict = internal::gather_control_fields(out.fields, 400, control); !verdict.ok()) return verdict;
  if (auto verdict = read_host(control, absolute, out); !verdict.ok()) return verdict;
  if (auto verdict = internal::read_framing(control, out.version, 400, out.framing, out.content_length);
      !verdict.ok())
    return verdict;
  out.keep_alive = !control.close && (out.version == Version::http11 || control.keep_alive);
  out.accepts_trailers = control.te_trailers && out.version == Version::http11;
  if (auto verdict = read_expect(control, out); !verdict.ok()) return verdict;
  return read_upgrade(control, out);
}

}  // namespace

Verdict parse_request_head(const ScannedHead& head, RequestHead& out) {
  out.clear();
  const std::string_view bytes = head.bytes();
  const std::size_t line_end = bytes.find('\r');
  RequestLine line;
  if (auto verdict = split_request_line(bytes.substr(0, line_end), line); !verdict.ok()) return verdict;
  if (auto verdict = read_version(line.version, out.version); !verdict.ok()) return verdict;
  out.method_name = line.method;
  out.method = method_of(line.method);
  // TRACE would hand the browser's cookies back to a script; CONNECT is for forward proxies.
  if (out.method == Method::connect) return reject(405, "connect_refused");
  if (out.method == Method::trace) return reject(405, "trace_refused");
  Authority absolute;
  if (auto verdict = read_target(line.target, out, absolute); !verdict.ok()) return verdict;
  if (auto verdict = internal::parse_field_lines(bytes.substr(line_end + 2), 400, out.fields); !verdict.ok())
    return verdict;
  return read_fields(absolute, out);
}

}  // namespace envgate::http
