#include "backends/physical/marker.hpp"

#include <sys/random.h>

#include <charconv>

#include "backends/words.hpp"
#include "base/check.hpp"

namespace envgate::backends::physical {
namespace {

// The value of the next line, which must have this name.
std::optional<std::string_view> take(std::string_view& text, std::string_view name) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  if (line.substr(0, name.size()) != name || line.substr(name.size(), 1) != " ") return std::nullopt;
  text.remove_prefix(end + 1);
  return line.substr(name.size() + 1);
}

template <typename T>
bool number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() && text[0] != '-';
}

bool valid_instance(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<MarkerPower> parse_power(std::string_view text) {
  if (text == "granting") return MarkerPower::granting;
  if (text == "running") return MarkerPower::running;
  if (text == "stopped") return MarkerPower::stopped;
  return std::nullopt;
}

}  // namespace

std::string marker_lines(const Marker& marker) {
  return "install " + marker.install + "\nenvironment " + marker.environment.str() + "\ngeneration " +
         std::to_string(marker.generation) + "\nowner " + marker.owner + "\ninstance " + marker.instance +
         "\nsince " + std::to_string(marker.since.time_since_epoch().count()) + '\n';
}

std::optional<Marker> parse_marker(std::string_view text) {
  const auto install = take(text, "install"), environment = take(text, "environment"),
             generation = take(text, "generation"), owner = take(text, "owner"),
             instance = take(text, "instance"), since = take(text, "since"), power = take(text, "power");
  if (!power || !since || !instance || !owner || !generation || !environment || !install || !text.empty()) {
    return std::nullopt;
  }
  Marker marker;
  std::uint32_t seconds = 0;
  const auto id = EnvId::parse(*environment);
  const auto how = parse_power(*power);
  if (!valid_install(*install) || !id || !number(*generation, marker.generation) || !valid_owner(*owner) ||
      !valid_instance(*instance) || !number(*since, seconds) || !how) {
    return std::nullopt;
  }
  marker.install = *install;
  marker.environment = *id;
  marker.owner = *owner;
  marker.instance = *instance;
  marker.since = std::chrono::sys_seconds(std::chrono::seconds(seconds));
  marker.power = *how;
  return marker;
}

std::string new_instance() {
  unsigned char bytes[16];
  CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
  std::string out;
  for (const unsigned char byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace envgate::backends::physical
