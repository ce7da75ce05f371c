#include "base/units.hpp"

#include <gtest/gtest.h>

namespace envgate {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsEveryUnit) {
  EXPECT_EQ(parse_duration("0").value(), 0ms);
  EXPECT_EQ(parse_duration("0s").value(), 0ms);
  EXPECT_EQ(parse_duration("500ms").value(), 500ms);
  EXPECT_EQ(parse_duration("10s").value(), 10s);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("2h").value(), 2h);
  EXPECT_EQ(parse_duration("7d").value(), 168h);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("1d2h3m4s5ms").value(), 26h + 3min + 4s + 5ms);
  EXPECT_EQ(parse_duration("10000d").value(), 240000h);
}

TEST(Duration, RefusesWhatCouldMeanSomethingElse) {
  for (const char* text : {"",
                           "10",
                           "s",
                           "10 s",
                           " 10s",
                           "10s ",
                           "-1s",
                           "+1s",
                           "1.5s",
                           "10S",
                           "10sec",
                           "30m1h",
                           "1m1m",
                           "1s5",
                           "0x10s",
                           "10001d",
                           "18446744073709551616s",
                           "99999999999999999ms",
                           "9999d1000000h",
                           "1e3s",
                           "m",
                           "5min"})
    EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_NE(parse_duration("10").error().message.find("'10' is not a duration"), std::string::npos);
  EXPECT_NE(parse_duration("20000d").error().message.find("10000 days"), std::string::npos);
}

TEST(Duration, WritesWhatItReads) {
  for (const auto value : {0ms, 1ms, 999ms, 1000ms, 75'000ms, 5'400'001ms, 86'400'000ms, 864'000'000'000ms})
    EXPECT_EQ(parse_duration(format_duration(value)).value(), value) << format_duration(value);
  EXPECT_EQ(format_duration(75s), "1m15s");
  EXPECT_EQ(format_duration(0s), "0");
  EXPECT_EQ(format_duration(24h), "1d");
}

TEST(Bytes, ReadsPowersOf1024And1000) {
  EXPECT_EQ(parse_bytes("0")->count, 0u);
  EXPECT_EQ(parse_bytes("512")->count, 512u);
  EXPECT_EQ(parse_bytes("512B")->count, 512u);
  EXPECT_EQ(parse_bytes("16KiB")->count, 16384u);
  EXPECT_EQ(parse_bytes("1MiB")->count, 1048576u);
  EXPECT_EQ(parse_bytes("2GiB")->count, 2147483648u);
  EXPECT_EQ(parse_bytes("3TiB")->count, 3298534883328u);
  EXPECT_EQ(parse_bytes("16kB")->count, 16000u);
  EXPECT_EQ(parse_bytes("5GB")->count, 5'000'000'000u);
  EXPECT_EQ(parse_bytes("9223372036854775807")->count, 9223372036854775807u);
}

TEST(Bytes, RefusesAmbiguityAndOverflow) {
  for (const char* text : {"", "16K", "1M", "1G", "KiB", "16kib", "16 KiB", "-1", "1.5MiB", "0x10",
                           "9223372036854775808", "8388608TiB", "99999999999999999999"})
    EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(Bytes, WritesTheLargestWholeUnit) {
  EXPECT_EQ(format_bytes({0}), "0");
  EXPECT_EQ(format_bytes({240}), "240");
  EXPECT_EQ(format_bytes({16384}), "16KiB");
  EXPECT_EQ(format_bytes({16385}), "16385");
  EXPECT_EQ(format_bytes({1 << 20}), "1MiB");
  for (const std::uint64_t count : {1ull, 1023ull, 1024ull, 1536ull, 1ull << 40, 9223372036854775807ull})
    EXPECT_EQ(parse_bytes(format_bytes({count}))->count, count);
}

TEST(PortRange, ReadsBothForms) {
  EXPECT_EQ(parse_port_range("50000-59999").value(), (PortRange{50000, 59999}));
  EXPECT_EQ(parse_port_range("2222").value(), (PortRange{2222, 2222}));
  EXPECT_EQ(parse_port_range("1-65535")->size(), 65535u);
  EXPECT_EQ(format_port_range({50000, 59999}), "50000-59999");
  EXPECT_EQ(format_port_range({22, 22}), "22");
}

TEST(PortRange, ContainsBothEnds) {
  const PortRange range{100, 200};
  EXPECT_TRUE(range.contains(100));
  EXPECT_TRUE(range.contains(200));
  EXPECT_FALSE(range.contains(99));
  EXPECT_FALSE(range.contains(201));
}

TEST(PortRange, RefusesTheRest) {
  for (const char* text :
       {"", "-", "0-10", "10-", "-10", "10-65536", "20-10", "1-2-3", "a-b", "10 - 20", "70000"})
    EXPECT_FALSE(parse_port_range(text)) << text;
  EXPECT_NE(parse_port_range("20-10").error().message.find("wrong way round"), std::string::npos);
}

}  // namespace
}  // namespace envgate
