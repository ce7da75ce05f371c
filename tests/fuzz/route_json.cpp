// A route's JSON, as anyone who can write to the store may have written it. What parses must come back the
// same from what we write.
#include "routing/route_json.hpp"

#include "base/check.hpp"

using namespace envgate::routing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const EnvId demo = *EnvId::parse("demo");
  (void)parse_route_json(demo, text, UnknownKeys::refuse);
  auto spec = parse_route_json(demo, text);
  if (spec) {
    const RoutePtr route = Route::make(std::move(*spec));
    const auto again = parse_route_json(to_json(*route, Detail::full), UnknownKeys::refuse);
    CHECK(again.has_value());
    CHECK(Route::make(*again)->same_content(*route));
  }
  // The seed's four keys, one on each line.
  SeedKeys keys;
  std::string_view rest = text;
  for (auto* key : {&keys.ip, &keys.ssh_port, &keys.type, &keys.access_info}) {
    const std::size_t newline = rest.find('\n');
    *key = rest.substr(0, newline);
    if (newline == std::string_view::npos) break;
    rest.remove_prefix(newline + 1);
  }
  (void)from_seed_keys(demo, keys);
  return 0;
}
