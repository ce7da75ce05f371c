#include "routing/redis/url.hpp"

#include <charconv>
#include <optional>

#include "routing/names.hpp"

namespace envgate::routing::redis {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex(text[i + 1]), low = hex(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Result<void> read_db(std::string_view text, unsigned& db) {
  if (text.empty()) return {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), db);
  if (error == std::errc() && end == text.data() + text.size() && db < 65536) return {};
  return fail("the database after the host must be a number, such as /0");
}

Result<void> read_credentials(std::string_view text, Url& url) {
  const std::size_t colon = text.find(':');
  const auto user = percent_decoded(text.substr(0, colon));
  const auto password = percent_decoded(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  if (!user || !password)
    return fail("the user or password before @ has a % that is not followed by two hex digits");
  if (colon == std::string_view::npos) return fail("what is before @ must be user:password, or :password");
  url.user = *user;
  url.password = *password;
  return {};
}

Result<void> read_host(std::string_view text, Url& url) {
  std::string_view port;
  if (text.starts_with('[')) {  // an IPv6 literal, RFC 3986 section 3.2.2
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return fail("the host begins with [ and has no ]");
    url.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    url.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (url.host.empty()) return fail("there is no host");
  if (port.empty()) return {};
  const auto number = parse_port(port.substr(1));
  if (port[0] != ':' || !number) return fail("the port must be 1 to 65535");
  url.port = *number;
  return {};
}

Result<Url> parse_unix(std::string_view text) {
  Url url;
  const std::size_t query = text.find('?');
  url.path = text.substr(0, query);
  if (url.path.empty() || url.path[0] != '/' || url.path.size() > 107) {  // sun_path
    return fail("a unix socket needs an absolute path of at most 107 bytes: unix:///run/redis/redis.sock");
  }
  if (query == std::string_view::npos) return url;
  text.remove_prefix(query + 1);
  if (!text.starts_with("db=")) return fail("after ? only db=N is known");
  if (auto db = read_db(text.substr(3), url.db); !db) return Failure(db.error());
  return url;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  constexpr std::string_view kTcp = "redis://", kUnix = "unix://", kTls = "rediss://";
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  if (text.starts_with(kTls))
    return fail("rediss:// (TLS) is not supported; put stunnel or a private network between");
  if (!text.starts_with(kTcp)) return fail("it must begin with redis:// or unix://");
  text.remove_prefix(kTcp.size());
  Url url;
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    if (auto read = read_credentials(text.substr(0, at), url); !read) return Failure(read.error());
    text.remove_prefix(at + 1);
  }
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (auto db = read_db(text.substr(slash + 1), url.db); !db) return Failure(db.error());
    text = text.substr(0, slash);
  }
  if (auto read = read_host(text, url); !read) return Failure(read.error());
  return url;
}

std::string Url::shown() const {
  if (!path.empty()) return "unix://" + path;
  const bool six = host.find(':') != std::string::npos;
  return "redis://" + (six ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" + std::to_string(db);
}

}  // namespace envgate::routing::redis
