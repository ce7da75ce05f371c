// conf/envgate.yaml documents every key of the control plane with its default.
#include "control/settings.hpp"

#include <gtest/gtest.h>

#include <regex>

#include "tests/unit/temp_dir.hpp"

namespace envgate::control {
namespace {

TEST(ControlSettings, EveryKeyIsInTheFileWithItsBuiltInDefault) {
  const std::string text = test::read_file(std::string(ENVGATE_SOURCE_DIR) + "/conf/envgate.yaml");
  const auto at = text.find("\ncontrol:\n");
  ASSERT_NE(at, std::string::npos);
  const test::TempDir dir;
  settings::Sources sources;
  sources.file = dir.write(
      "all.yaml", "domain: localhost" + std::regex_replace(text.substr(at), std::regex("#([a-z_]+:)"), "$1"));
  const auto loaded = settings::load(control_schema(), sources);
  ASSERT_TRUE(loaded) << loaded.error().front().to_string();
  const auto& keys = control_schema().table().keys();
  for (std::size_t i = 0; i < keys.size(); ++i)
    EXPECT_EQ((*loaded)->origins[i].layer, settings::Layer::global_file)
        << keys[i].name << " is not in conf/envgate.yaml";
  const settings::Changes changes = settings::changes(control_schema(), ControlSettings(), (*loaded)->values);
  for (const settings::Change& change : changes.restart)
    ADD_FAILURE() << "built in, and in the file: " << to_line(change);
}

TEST(ControlSettings, ForeignSectionsArePassedOverAndOurOwnSlipsAreNot) {
  const test::TempDir dir;
  settings::Sources sources;
  sources.file = dir.write("c.yaml", "ssh: {bind: 0.0.0.0}\ncontrol: {sokcet: x}\n");
  const auto loaded = settings::load(control_schema(), sources);
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 1u);
  EXPECT_EQ(loaded.error()[0].key, "control.sokcet");
}

}  // namespace
}  // namespace envgate::control
