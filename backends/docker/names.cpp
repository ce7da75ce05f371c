#include "backends/docker/names.hpp"

#include <algorithm>

namespace envgate::backends::docker {
namespace {

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool all_of(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return lower_or_digit(c) || extra.find(c) != std::string_view::npos; });
}

bool valid_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
         });
}

bool valid_digest(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  if (text.size() != algorithm.size() + 64 || text.substr(0, algorithm.size()) != algorithm) return false;
  return text.find_first_not_of("0123456789abcdef", algorithm.size()) == std::string_view::npos;
}

// Parts by '/', each begun and ended by a letter or digit.
bool valid_path(std::string_view text) {
  for (;;) {
    const std::size_t slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    if (part.empty() || !all_of(part, "._-") || !lower_or_digit(part.front()) ||
        !lower_or_digit(part.back())) {
      return false;
    }
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool valid_registry(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view host = text.substr(0, colon);
  if (colon != std::string_view::npos && !routing::parse_port(text.substr(colon + 1))) return false;
  return !host.empty() && all_of(host, ".-") && lower_or_digit(host.front()) && lower_or_digit(host.back());
}

}  // namespace

std::string container_name(std::string_view install, const EnvId& environment) {
  return "envgate-" + std::string(install) + '-' + environment.str();
}

std::string volume_name(std::string_view install, const EnvId& environment, std::string_view volume) {
  return container_name(install, environment) + '-' + std::string(volume);
}

// No environment's id has a dot: it is never the name of a container or a volume.
std::string network_name(std::string_view install, std::string_view owner) {
  return "envgate-" + std::string(install) + ".owner-" + std::string(owner);
}

bool valid_volume(std::string_view text) { return valid_owner(text); }

std::optional<ImageName> ImageName::parse(std::string_view text) {
  if (text.size() > 512) return std::nullopt;
  ImageName name;
  const std::size_t at = text.find('@');
  if (at != std::string_view::npos) {
    name.digest = text.substr(at + 1);
    if (!valid_digest(name.digest)) return std::nullopt;
    text = text.substr(0, at);
  }
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find('/', colon) == std::string_view::npos) {
    name.tag = text.substr(colon + 1);
    if (!valid_tag(name.tag)) return std::nullopt;
    text = text.substr(0, colon);
  } else if (name.digest.empty()) {
    name.tag = "latest";
  }
  name.repository = text;
  // What stands before the first slash is a registry if it looks like a host and not like a word.
  const std::size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  const bool host = first.find_first_of(".:") != std::string_view::npos || first == "localhost";
  if (slash != std::string_view::npos && host) {
    if (!valid_registry(first)) return std::nullopt;
    name.registry = first;
    text.remove_prefix(slash + 1);
  }
  if (!valid_path(text)) return std::nullopt;
  return name;
}

std::string ImageName::full() const {
  return digest.empty() ? repository + ':' + tag : repository + '@' + digest;
}

std::string ImageName::version() const { return digest.empty() ? tag : digest; }

std::string percent_encode(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
  }
  return out;
}

std::string base64url(std::string_view bytes) {
  constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : letters[group >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

}  // namespace envgate::backends::docker
