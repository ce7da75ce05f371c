// Fuzz target: arbitrary bytes as a file, as lines of --set and as a variable, through the gateway's whole
// schema. Whatever they are, the answer is settings or errors with messages, never a crash; and what
// `--explain` shows of what was loaded is read back as the same values.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "base/settings_yaml.hpp"
#include "gateway/load_settings.hpp"

using namespace envgate;

namespace {

// Every Node is fed to each key's reader, so that types see shapes that a well-formed file would never give
// them.
void read_every_key(const settings::Node& node) {
  gateway::GatewaySettings values;
  std::size_t reported = 0;
  const settings::Report report = [&](const settings::Node&, const std::string&, const std::string& message) {
    CHECK(!message.empty());
    ++reported;
  };
  for (const settings::Key& key : gateway::gateway_schema().table().keys()) {
    reported = 0;
    const bool good = key.read(node, &values, report);
    CHECK(good == (reported == 0));
  }
}

void round_trip(const gateway::Snapshot& snapshot) {
  const auto all = settings::explain(gateway::gateway_schema(), snapshot, "");
  CHECK(all.has_value());
  gateway::GatewaySettings values;
  for (const settings::Explained& key : *all) {
    const auto node = settings::parse_yaml(key.value, "explained");
    CHECK(node.has_value());
    const auto& table = gateway::gateway_schema().table();
    const settings::Key& declared = table.keys()[table.find(key.key)];
    const settings::Report report = [](const settings::Node&, const std::string&, const std::string&) {};
    CHECK(declared.read(*node, &values, report));
    // A text that is no UTF-8 can be set, but YAML cannot say it.
    const bool ascii =
        std::all_of(key.value.begin(), key.value.end(), [](char c) { return (c & 0x80) == 0; });
    CHECK(declared.secret || !ascii || declared.equal(&snapshot.values, &values));
  }
}

void load(const CommandLine& line, const settings::Texts& variables) {
  if (const auto loaded = gateway::load_gateway_settings(line, variables))
    round_trip(**loaded);
  else
    CHECK(!loaded.error().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto node = settings::parse_yaml(text, "fuzz.yaml"); node) {
    read_every_key(*node);
    for (const settings::Node& item : node->items) read_every_key(item);
  }

  const int file = memfd_create("settings", MFD_CLOEXEC);
  CHECK(file >= 0 && write(file, data, size) == static_cast<ssize_t>(size));
  CommandLine with_file;
  with_file.config = "/proc/self/fd/" + std::to_string(file);
  load(with_file, {});
  close(file);

  CommandLine with_sets;
  for (std::size_t start = 0; start < text.size() && with_sets.sets.size() < 32;) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    with_sets.sets.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  settings::Texts variables;
  if (const std::size_t equals = text.find('='); equals != std::string::npos)
    variables["ENVGATE_" + text.substr(0, equals)] = text.substr(equals + 1);
  load(with_sets, variables);
  return 0;
}
