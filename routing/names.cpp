#include "routing/names.hpp"

#include <sys/random.h>

#include <charconv>

#include "base/check.hpp"

namespace envgate::routing {
namespace {

constexpr std::string_view kContainer = ".container.";
constexpr std::string_view kSsh = ".ssh.";
constexpr std::size_t kMaxName = 253;  // RFC 1035 section 2.3.4, as text without the root's dot
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kLongestPrefix = EnvId::kMaxSize + 6 + kContainer.size();  // "-65535"

char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool ends_with_folded(std::string_view text, std::string_view lower_suffix) {
  if (text.size() < lower_suffix.size()) return false;
  text.remove_prefix(text.size() - lower_suffix.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (fold(text[i]) != lower_suffix[i]) return false;
  }
  return true;
}

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  CHECK(::getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed));
  return seed;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

bool valid_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-') return false;
  for (const char c : label) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

bool valid_domain(std::string_view name) {
  if (name.empty() || name.size() + kLongestPrefix > kMaxName) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    if (!valid_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

std::optional<EnvId> EnvId::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxSize) return std::nullopt;
  EnvId id;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return std::nullopt;
    id.bytes_[i] = c;
  }
  return id;
}

std::optional<EnvId> EnvId::parse_folded(std::string_view text) {
  if (text.size() > kMaxSize) return std::nullopt;
  std::array<char, kMaxSize> folded;
  for (std::size_t i = 0; i < text.size(); ++i) folded[i] = fold(text[i]);
  return parse({folded.data(), text.size()});
}

std::uint64_t EnvId::hash() const {
  static const std::uint64_t seed = random_seed();
  std::array<std::uint64_t, 4> words;
  std::memcpy(words.data(), bytes_.data(), sizeof words);
  const std::uint64_t first =
      mix(words[0] ^ 0x9e3779b97f4a7c15ULL ^ seed, words[1] ^ 0xbf58476d1ce4e5b9ULL ^ seed);
  const std::uint64_t second = mix(words[2] ^ 0x94d049bb133111ebULL ^ seed, words[3] ^ 0xd6e8feb86659fd93ULL);
  return mix(first ^ seed, second ^ 0xff51afd7ed558ccdULL);
}

Result<Domain> Domain::make(std::string_view text) {
  Domain domain;
  for (const char c : text) domain.name_ += fold(c);
  if (!domain.name_.empty() && domain.name_.back() == '.') domain.name_.pop_back();
  if (!valid_domain(domain.name_)) {
    return fail(
        "domain \"" + std::string(text) +
        "\" is not a host name: labels of 1 to 63 letters, digits and inner hyphens, parted by dots, and at "
        "most 204 characters in all");
  }
  domain.container_suffix_ = std::string(kContainer) + domain.name_;
  domain.ssh_suffix_ = std::string(kSsh) + domain.name_;
  return domain;
}

std::optional<HostName> Domain::parse(std::string_view host) const {
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  HostName name;
  if (ends_with_folded(host, container_suffix_)) {
    host.remove_suffix(container_suffix_.size());
    const std::size_t hyphen = host.find('-');
    if (hyphen == std::string_view::npos) return std::nullopt;
    const auto port = parse_port(host.substr(hyphen + 1));
    if (!port) return std::nullopt;
    name.kind = HostName::Kind::container;
    name.port = *port;
    host = host.substr(0, hyphen);
  } else if (ends_with_folded(host, ssh_suffix_)) {
    host.remove_suffix(ssh_suffix_.size());
    name.kind = HostName::Kind::ssh;
  } else {
    return std::nullopt;
  }
  const auto env = EnvId::parse_folded(host);
  if (!env) return std::nullopt;
  name.env = *env;
  return name;
}

std::string Domain::ssh_host(const EnvId& env) const { return env.str() + ssh_suffix_; }

std::string Domain::container_host(const EnvId& env, std::uint16_t port) const {
  return env.str() + '-' + std::to_string(port) + container_suffix_;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace envgate::routing
