#include "base/settings_types.hpp"

#include <gmock/gmock.h>

#include "base/settings_yaml.hpp"

namespace envgate::settings {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// What `type` makes of YAML text: its value shown again, or "error: ...".
template <typename T>
std::string read(const Type<T>& type, const std::string& yaml) {
  const auto node = parse_yaml(yaml, "f");
  if (!node) return "no YAML: " + node.error().message;
  std::string errors;
  const auto value = type.read(*node, [&](const Node&, const std::string& below, const std::string& message) {
    errors += "error" + below + ": " + message;
  });
  EXPECT_EQ(value.has_value(), errors.empty());
  return value ? type.show(*value) : errors;
}

TEST(SettingsTypes, Boolean) {
  EXPECT_EQ(read(boolean(), "true"), "true");
  EXPECT_EQ(read(boolean(), "false"), "false");
  for (const char* text : {"yes", "on", "1", "True", "\"\""})
    EXPECT_THAT(read(boolean(), text), HasSubstr("is neither true nor false"));
}

TEST(SettingsTypes, Integer) {
  const auto type = integer<unsigned>(1, 100);
  EXPECT_EQ(read(type, "1"), "1");
  EXPECT_EQ(read(type, "100"), "100");
  EXPECT_EQ(read(type, "007"), "7");
  EXPECT_EQ(read(type, "0"), "error: '0' is out of range: expected 1 to 100");
  EXPECT_EQ(read(type, "101"), "error: '101' is out of range: expected 1 to 100");
  EXPECT_THAT(read(type, "99999999999999999999999"), HasSubstr("out of range"));
  for (const char* text : {"-1", "1.5", "0x10", "1e2", "ten", "\"\"", "1 2", "+5"})
    EXPECT_THAT(read(type, text), HasSubstr("is not a whole number")) << text;
  EXPECT_THAT(read(type, "[1]"), HasSubstr("expected a whole number from 1 to 100; found a list"));
  EXPECT_EQ(read(integer<std::uint16_t>(1), "65535"), "65535");
  EXPECT_THAT(read(integer<std::uint16_t>(1), "65536"), HasSubstr("out of range"));
}

TEST(SettingsTypes, RangesOfDurationsAndSizes) {
  EXPECT_EQ(read(duration(1s, 1h), "90s"), "1m30s");
  EXPECT_EQ(read(duration(1s, 1h), "1s"), "1s");
  EXPECT_EQ(read(duration(1s, 1h), "999ms"), "error: '999ms' is out of range: expected 1s to 1h");
  EXPECT_EQ(read(duration(1s, 1h), "0"), "error: '0' is out of range: expected 1s to 1h");
  EXPECT_EQ(read(duration(1s, 1h, true), "0"), "0");
  EXPECT_THAT(read(duration(1s, 1h, true), "2h"), HasSubstr("expected 1s to 1h, or 0 for none"));
  EXPECT_EQ(read(byte_size(Bytes{1024}, Bytes{1 << 20}), "64KiB"), "64KiB");
  EXPECT_EQ(read(byte_size(Bytes{1024}, Bytes{1 << 20}), "2MiB"),
            "error: '2MiB' is out of range: expected 1KiB to 1MiB");
}

TEST(SettingsTypes, Choice) {
  const auto type = choice<int>({{"redis", 1}, {"file", 2}});
  EXPECT_EQ(read(type, "file"), "file");
  EXPECT_EQ(read(type, "File"), "error: 'File' is not redis or file");
  const auto more = choice<int>({{"a", 1}, {"b", 2}, {"c", 3}});
  EXPECT_EQ(read(more, "d"), "error: 'd' is not one of a, b or c");
}

TEST(SettingsTypes, Addresses) {
  EXPECT_EQ(read(endpoint(), "0.0.0.0:443"), "0.0.0.0:443");
  EXPECT_EQ(read(endpoint(), "\"[::1]:443\""), "\"[::1]:443\"");
  EXPECT_EQ(read(bind_address(), "0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(read(bind_address(), "\"[::]\""), "\"[::]\"");
  EXPECT_EQ(read(bind_address(), "\"::\""), "\"[::]\"");
  EXPECT_EQ(read(bind_address(), "\"*\""), "\"[::]\"");
  EXPECT_THAT(read(bind_address(), "0.0.0.0:22"), HasSubstr("has a port; write only the address"));
  EXPECT_THAT(read(bind_address(), "gw.example.com"), HasSubstr("is not an IP address"));
  EXPECT_EQ(read(optional(endpoint()), "\"\""), "\"\"");
  EXPECT_EQ(read(optional(endpoint()), "1.2.3.4:5"), "1.2.3.4:5");
  EXPECT_THAT(read(optional(endpoint()), ""), HasSubstr("or \"\" for none; found nothing"));
  EXPECT_EQ(read(list_of(cidr()), "[10.0.0.0/8, \"::/0\"]"), "[10.0.0.0/8, \"::/0\"]");
}

TEST(SettingsTypes, TextIsCheckedAndQuoted) {
  const auto type = text("a word", [](const std::string& t) { return t == "bad" ? "is bad" : ""; });
  EXPECT_EQ(read(type, "good"), "good");
  EXPECT_EQ(read(type, "bad"), "error: 'bad' is bad");
  EXPECT_EQ(read(type, "\"a\\tb\""), "error: holds a control character");
  EXPECT_EQ(read(type, "\"\""), "\"\"");
}

TEST(SettingsTypes, QuotedTextIsReadBack) {
  for (const char* written :
       {"",      "plain",     "~",  "null", "-",  "- a", "a: b", "a #b",   "{x}",
        "[y]",   "&a",        "*a", "!t",   "@x", "%x",  "'q'",  "\"dq\"", "back\\slash",
        "\ttab", "new\nline", "::", ":x",   "x:", "a,b", "?"}) {
    const auto node = parse_yaml("[" + quote_yaml(written) + "]", "f");
    ASSERT_TRUE(node) << written << ": " << quote_yaml(written) << ": " << node.error().message;
    ASSERT_EQ(node->items.size(), 1u) << written;
    EXPECT_EQ(node->items[0].kind, Node::Kind::scalar) << written;
    EXPECT_EQ(node->items[0].scalar, written);
  }
}

TEST(SettingsTypes, PasswordsAreMasked) {
  EXPECT_EQ(mask_password("redis://h:6379/0"), "redis://h:6379/0");
  EXPECT_EQ(mask_password("redis://:pw@h:6379/0"), "redis://:***@h:6379/0");
  EXPECT_EQ(mask_password("redis://u:p:w@h"), "redis://u:***@h");
  EXPECT_EQ(mask_password("redis://u:p@w@h"), "redis://u:***@h");
  EXPECT_EQ(mask_password("redis://u@h"), "redis://u@h");
  EXPECT_EQ(mask_password("u:p@h"), "u:***@h");
  EXPECT_EQ(mask_password("unix:///run/redis.sock"), "unix:///run/redis.sock");
}

}  // namespace
}  // namespace envgate::settings
