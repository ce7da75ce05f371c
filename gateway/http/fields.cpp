#include "gateway/http/fields.hpp"

#include <array>
#include <cstring>

namespace envgate::http {
namespace {

constexpr std::size_t kIds = static_cast<std::size_t>(FieldId::count_);

// By FieldId.
// clang-format off
constexpr std::array<std::string_view, kIds> kNames = {
    "", "", "",
    "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate",
    "proxy-authentication-info", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
    "cf-connecting-ip", "fastly-client-ip", "forwarded", "front-end-https", "proxy", "proxy-client-ip",
    "true-client-ip", "wl-proxy-client-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
    "x-original-host", "x-real-ip", "x-request-id", "x-scheme", "x-url-scheme",
    "accept", "accept-encoding", "accept-language", "access-control-request-headers",
    "access-control-request-method", "alt-svc", "authentication-info", "authorization", "cache-control",
    "clear-site-data", "cookie", "date", "etag", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "last-modified", "location", "max-forwards", "origin", "pragma", "range",
    "referer", "retry-after", "server", "set-cookie", "strict-transport-security", "user-agent", "vary",
    "via", "www-authenticate",
    "sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol",
    "sec-websocket-version",
};
// clang-format on

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// A perfect hash over length and three characters; the multiplier is found while compiling, and a new name
// for which there is none breaks the build rather than the lookup.
constexpr std::size_t kSlots = 512;
constexpr std::uint32_t hash(std::string_view name, std::uint32_t multiplier) {
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(name[i]) | 0x20);
  };
  const std::uint32_t key = at(0) | at(name.size() / 2) << 8 | at(name.size() - 1) << 16 |
                            static_cast<std::uint32_t>(name.size()) << 24;
  return (key * multiplier) >> 23;  // 9 bits
}

struct Lookup {
  std::uint32_t multiplier = 0;
  std::array<std::uint8_t, kSlots> slots{};
};

constexpr bool try_multiplier(Lookup& table) {
  table.slots = {};
  for (std::size_t id = 0; id < kIds; ++id) {
    if (kNames[id].empty()) continue;
    auto& slot = table.slots[hash(kNames[id], table.multiplier)];
    if (slot != 0) return false;
    slot = static_cast<std::uint8_t>(id);
  }
  return true;
}

constexpr Lookup make_lookup() {
  Lookup table;
  table.multiplier = 0x9e3779b1u;
  for (int tries = 0; tries < 4000; ++tries, table.multiplier = table.multiplier * 1664525u + 1013904223u) {
    table.multiplier |= 1;
    if (try_multiplier(table)) return table;
  }
  return {};
}

constexpr Lookup kLookup = make_lookup();
static_assert(kLookup.multiplier != 0,
              "no perfect hash for these names: widen kSlots or take another character");

bool has_prefix(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

// Eight bytes at a time: sets 0x20 in each byte that is 'A' to 'Z'. Bytes of 0x80 and above stay as they are.
std::uint64_t lower8(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  const std::uint64_t low = word & (0x7f * kOnes);
  const std::uint64_t at_least_a = low + (0x80 - 'A') * kOnes, above_z = low + (0x80 - 'Z' - 1) * kOnes;
  return word | ((((at_least_a ^ above_z) & ~word) & (0x80 * kOnes)) >> 2);
}

inline std::uint64_t load(const char* at, std::size_t bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, bytes);
  return word;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  const auto differ = [&](std::size_t at, std::size_t bytes) {
    return lower8(load(a.data() + at, bytes)) != lower8(load(b.data() + at, bytes));
  };
  if (size >= 8) {  // the last eight may overlap what was compared before
    for (std::size_t i = 0; i + 8 < size; i += 8)
      if (differ(i, 8)) return false;
    return !differ(size - 8, 8);
  }
  if (size >= 4) return !differ(0, 4) && !differ(size - 4, 4);
  for (std::size_t i = 0; i < size; ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

FieldId field_id(std::string_view name) { return field_id(name, name.find('_') != std::string_view::npos); }

FieldId field_id(std::string_view name, bool has_underscore) {
  if (name.empty()) return FieldId::other;
  if (has_underscore) return FieldId::underscored;  // no name of ours has one
  const std::uint8_t id = kLookup.slots[hash(name, kLookup.multiplier)];
  if (id != 0 && equals_ignoring_case(name, kNames[id])) return static_cast<FieldId>(id);
  if ((name[0] | 0x20) == 'x' && has_prefix(name, "x-forwarded")) return FieldId::x_forwarded;
  return FieldId::other;
}

std::string_view field_name(FieldId id) { return kNames[static_cast<std::size_t>(id)]; }

bool is_protected_from_nomination(std::string_view name, FieldId id) {
  // Any name with a rule of its own: what may be stripped is stripped by that rule.
  if (id != FieldId::other && id != FieldId::underscored) return true;
  // Content describes itself by these, and browsers forbid scripts the others because servers believe them.
  return has_prefix(name, "content-") || has_prefix(name, "sec-") || has_prefix(name, "access-control-");
}

bool is_forbidden_in_trailers(std::string_view name, FieldId id) {
  if (id == FieldId::etag || id == FieldId::date) return false;
  return id != FieldId::other || is_protected_from_nomination(name, id);
}

bool is_token(std::string_view text) {
  for (const char c : text)
    if (!internal::kNameTable[static_cast<unsigned char>(c)]) return false;
  return !text.empty();
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool next_list_member(std::string_view& list, std::string_view& member) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    member = trim(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (!member.empty()) return true;
  }
  return false;
}

}  // namespace envgate::http
