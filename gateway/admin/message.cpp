#include "gateway/admin/message.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/admin/json_writer.hpp"
#include "gateway/http/date.hpp"

namespace envgate::admin {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Source: RFC 3986 section 2.1; in a query '+' stands for a space, as forms write it.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::optional<Response> read_query(std::string_view query, Request& out) {
  query.remove_prefix(query.starts_with('?') ? 1 : 0);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(pair.substr(std::min(pair.size(), equals + 1)), true);
    if (!name || !value)
      return problem(400, "the query has a '%' that no two hexadecimal digits follow", "query");
    out.query.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

}  // namespace

Response problem(int status, std::string_view detail, std::string_view field,
                 const std::vector<std::string>& errors) {
  JsonWriter json;
  json.begin_object().text("type", "about:blank").text("title", http::reason_phrase(status));
  json.number("status", static_cast<std::uint64_t>(status)).text("detail", detail);
  if (!field.empty()) json.text("field", field);
  if (!errors.empty()) {
    json.key("errors").begin_array();
    for (const std::string& error : errors) json.text(error);
    json.end_array();
  }
  json.end_object();
  return {status, "application/problem+json", std::move(json).finish(), {}};
}

const std::string* Request::parameter(std::string_view wanted) const {
  for (const auto& [key, value] : query)
    if (key == wanted) return &value;
  return nullptr;
}

Wanted<std::uint64_t> Request::number(std::string_view wanted, std::uint64_t least, std::uint64_t most,
                                      std::uint64_t fallback) const {
  const std::string* const text = parameter(wanted);
  if (!text) return fallback;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc() && end == text->data() + text->size() && value >= least && value <= most)
    return value;
  return tl::unexpected(problem(400,
                                std::string(wanted) + ": '" + *text + "' is not a whole number from " +
                                    std::to_string(least) + " to " + std::to_string(most),
                                wanted));
}

std::optional<Response> Request::refuse_unknown(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : query) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      std::string names;
      for (const std::string_view one : known) names.append(names.empty() ? "" : ", ").append(one);
      return problem(
          400, key + ": there is no such parameter here" + (names.empty() ? "" : "; there are: " + names),
          key);
    }
    const auto same = [&](const Parameter& other) { return other.first == key; };
    if (std::count_if(query.begin(), query.end(), same) > 1)
      return problem(400, key + ": is given twice", key);
  }
  return std::nullopt;
}

std::optional<Response> read_target(std::string_view path, std::string_view query, Request& out) {
  out.path = path;
  out.segments.clear();
  out.query.clear();
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    auto decoded = decode(segment, false);
    if (!decoded) return problem(400, "the path has a '%' that no two hexadecimal digits follow", "path");
    out.segments.push_back(std::move(*decoded));
    path.remove_prefix(segment.size());
  }
  return read_query(query, out);
}

std::string to_http(const Response& response, bool close, bool head_only) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out.append(http::reason_phrase(response.status)).append("\r\nDate: ").append(http::http_date());
  out.append("\r\nContent-Type: ").append(response.content_type);
  if (response.stream)
    out.append("\r\nTransfer-Encoding: chunked");
  else
    out.append("\r\nContent-Length: ").append(std::to_string(response.body.size()));
  out.append("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
  if (!response.allow.empty()) out.append("Allow: ").append(response.allow).append("\r\n");
  if (close) out.append("Connection: close\r\n");
  out.append("\r\n");
  if (!head_only) out.append(response.body);
  return out;
}

}  // namespace envgate::admin
