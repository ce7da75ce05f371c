#include "gateway/http/rewrite.hpp"

namespace envgate::http {
namespace {

// Takes the piece up to the next ';', as a browser splits it: quotes mean nothing (RFC 6265 section 5.2).
std::string_view take_piece(std::string_view& rest) {
  const std::size_t semicolon = rest.find(';');
  const std::string_view piece = rest.substr(0, semicolon);
  rest = semicolon == std::string_view::npos ? std::string_view() : rest.substr(semicolon + 1);
  return piece;
}

bool is_foreign_domain(std::string_view attribute, std::string_view own_host) {
  const std::size_t equals = attribute.find('=');
  if (!equals_ignoring_case(trim(attribute.substr(0, equals)), "domain")) return false;
  if (equals == std::string_view::npos) return true;
  std::string_view domain = trim(attribute.substr(equals + 1));
  if (domain.starts_with('.')) domain.remove_prefix(1);  // RFC 6265 section 5.2.3
  return !equals_ignoring_case(domain, own_host);
}

// Every type but "cookies" (Clear Site Data, section 3.1), for "*".
constexpr std::string_view kOwnSiteData = R"("cache", "clientHints", "executionContexts", "storage")";

}  // namespace

bool cookie_needs_narrowing(std::string_view value, std::string_view own_host) {
  take_piece(value);  // name=value
  while (!value.empty())
    if (is_foreign_domain(take_piece(value), own_host)) return true;
  return false;
}

void append_narrowed_cookie(std::string& out, std::string_view value, std::string_view own_host) {
  const std::size_t begin = out.size();
  out += take_piece(value);
  while (!value.empty()) {
    const std::string_view attribute = take_piece(value);
    if (!is_foreign_domain(attribute, own_host)) out.append(";").append(attribute);
  }
  // What stood before the attribute's ';' is at the end now; HTTP/2 forbids a space there (RFC 9113 section
  // 8.2.1).
  while (out.size() > begin && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
}

void append_narrowed_site_data(std::string& out, std::string_view value) {
  const std::size_t begin = out.size();
  for (std::string_view type; next_list_member(value, type);) {
    if (equals_ignoring_case(type, R"("cookies")")) continue;
    if (out.size() > begin) out += ", ";
    out += type == R"("*")" ? kOwnSiteData : type;
  }
}

}  // namespace envgate::http
