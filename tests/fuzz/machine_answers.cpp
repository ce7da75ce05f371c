// All that a physical machine may say of itself, whose customer was root there: its facts, its marker, its
// host keys, and what a reclaim reads back.
#include <string>

#include "backends/physical/host.hpp"
#include "base/check.hpp"

using namespace envgate::backends::physical;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Facts facts = parse_facts(text, {});
  CHECK(facts.reachable && facts.hostname.size() <= 253 && facts.gpus.size() <= 64);
  for (const SeenGpu& gpu : facts.gpus) CHECK(!gpu.uuid.empty() && gpu.model.size() <= 128);

  if (const auto marker = parse_marker(text)) {
    const char* power = marker->power == MarkerPower::granting  ? "power granting\n"
                        : marker->power == MarkerPower::running ? "power running\n"
                                                                : "power stopped\n";
    CHECK(parse_marker(marker_lines(*marker) + power) == marker);
  }
  for (const std::string& key : parse_scan(text)) CHECK(public_key(key) == key);
  CHECK(parse_scanned_server(text).size() <= 128);
  if (const auto key = public_key(text)) CHECK(public_key(*key) == key);
  const std::string admin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbG";
  if (check_verified(text, {"root"}, admin)) {
    CHECK(text.find("account root ") != std::string_view::npos);
    CHECK(text.find("process") == std::string_view::npos && text.find("open") == std::string_view::npos);
  }
  return 0;
}
