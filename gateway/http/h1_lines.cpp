#include "gateway/http/h1_lines.hpp"

#include "gateway/http/h1_bytes.hpp"

namespace envgate::http::internal {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view name_reason(bool at_start, char c) {
  if (is_space(c)) return at_start ? "obs_fold" : "space_before_colon";
  if (c == ':') return "empty_name";
  return c == '\r' ? "no_colon" : "bad_name";
}

}  // namespace

Verdict parse_field_lines(std::string_view lines, int status, FieldList& out) {
  const char* at = lines.data();
  const char* const end = at + lines.size();
  while (*at != '\r') {
    const char* const name = at;
    std::uint8_t seen = 0;  // the scan stops at the CR at the latest
    while (const std::uint8_t bits = kNameTable[static_cast<unsigned char>(*at)]) {
      seen |= bits;
      ++at;
    }
    if (*at != ':' || at == name) return reject(status, name_reason(at == name, *at));
    const std::string_view name_view(name, static_cast<std::size_t>(at - name));
    do ++at;
    while (is_space(*at));
    const char* const line_end = find_cr(at, end);
    const char* value_end = line_end;
    while (value_end != at && is_space(value_end[-1])) --value_end;
    const std::string_view value(at, static_cast<std::size_t>(value_end - at));
    out.push_back({name_view, value, field_id(name_view, (seen & kUnderscore) != 0), false});
    at = line_end + 2;
  }
  return {};
}

}  // namespace envgate::http::internal
