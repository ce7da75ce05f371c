#include "gateway/ssh/auth/wire.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "gateway/ssh/auth/base64.hpp"
#include "material.hpp"

namespace envgate::ssh::auth {
namespace {

using namespace std::string_literals;
using test::unhex;

TEST(Wire, WhatIsWrittenIsRead) {
  const std::string_view names[] = {"none", "zlib@openssh.com"};
  Writer writer;
  writer.byte(200).boolean(true).boolean(false).uint32(0xfedcba98).uint64(0xfedcba9876543210);
  writer.string("a\0b"s).string("").mpint("\x80").mpint("").name_list(names).name_list({});
  Reader reader(writer.bytes());
  std::uint8_t byte;
  bool yes, no;
  std::uint32_t word;
  std::uint64_t number;
  std::string_view text, empty, high, zero, list, no_list;
  ASSERT_TRUE(reader.byte(byte) && reader.boolean(yes) && reader.boolean(no) && reader.uint32(word) &&
              reader.uint64(number) && reader.string(text) && reader.string(empty) && reader.mpint(high) &&
              reader.mpint(zero) && reader.name_list(list) && reader.name_list(no_list));
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(byte, 200);
  EXPECT_TRUE(yes && !no);
  EXPECT_EQ(word, 0xfedcba98u);
  EXPECT_EQ(number, 0xfedcba9876543210u);
  EXPECT_EQ(text, "a\0b"s);
  EXPECT_EQ(high, "\x80");
  EXPECT_TRUE(empty.empty() && zero.empty() && no_list.empty());
  EXPECT_EQ(next_name(list), "none");
  EXPECT_EQ(next_name(list), "zlib@openssh.com");
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(reader.byte(byte));
}

TEST(Wire, AnyByteButZeroIsTrue) {
  bool value = false;
  EXPECT_TRUE(Reader("\x80").boolean(value));
  EXPECT_TRUE(value);
}

// RFC 4251 section 5 has these.
TEST(Wire, NumbersOfTheRfc) {
  const std::pair<std::string, std::string> rows[] = {
      {"", "00 00 00 00"},
      {"09a378f9b2e332a7", "00 00 00 08 09 a3 78 f9 b2 e3 32 a7"},
      {"80", "00 00 00 02 00 80"},
  };
  for (const auto& [magnitude, encoded] : rows) {
    EXPECT_EQ(Writer().mpint(unhex(magnitude)).bytes(), unhex(encoded)) << encoded;
    EXPECT_EQ(Writer().mpint("\0\0"s + unhex(magnitude)).bytes(), unhex(encoded)) << encoded;
    const std::string bytes = unhex(encoded);
    std::string_view read;
    ASSERT_TRUE(Reader(bytes).mpint(read)) << encoded;
    EXPECT_EQ(read, unhex(magnitude)) << encoded;
  }
}

TEST(Wire, NumbersThatAreRefused) {
  for (const char* encoded :
       {"00 00 00 02 ed cc",           // -1234
        "00 00 00 05 ff 21 52 41 11",  // -deadbeef
        "00 00 00 01 00", "00 00 00 02 00 7f", "00 00 00 03 00 00 80", "00 00 00 02 01", "00 00 00"}) {
    const std::string bytes = unhex(encoded);
    Reader reader(bytes);
    std::string_view read = "as before";
    EXPECT_FALSE(reader.mpint(read)) << encoded;
    EXPECT_EQ(read, "as before") << encoded;
    EXPECT_EQ(reader.rest(), bytes) << encoded;
  }
}

TEST(Wire, ListsOfNames) {
  const std::pair<std::string, bool> rows[] = {
      {"", true},
      {"zlib", true},
      {"zlib,none", true},
      {std::string(64, 'a'), true},
      {",", false},
      {"a,", false},
      {",a", false},
      {"a,,b", false},
      {"a b", false},
      {"a\0"s, false},
      {std::string(65, 'a'), false},
      {"\xc3\xa9", false},
      {"a\x7f", false},
  };
  for (const auto& [list, fine] : rows) {
    const std::string bytes = Writer().string(list).bytes();
    Reader reader(bytes);
    std::string_view read = "as before";
    EXPECT_EQ(reader.name_list(read), fine) << list;
    EXPECT_EQ(read, fine ? list : "as before") << list;
    EXPECT_EQ(reader.rest().size(), fine ? 0 : bytes.size()) << list;
  }
}

TEST(Wire, TooFewBytesAreRefusedAndNotTaken) {
  const std::string bytes = Writer().string("0123456789").bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<char> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    Reader reader(std::string_view(exact.data(), exact.size()));
    std::string_view text;
    std::uint64_t number = 5;
    std::uint32_t word = 5;
    EXPECT_FALSE(reader.string(text));
    EXPECT_EQ(reader.rest().size(), size);
    EXPECT_EQ(reader.uint64(number), size >= 8);
    if (size < 8) {
      EXPECT_EQ(number, 5u);
      EXPECT_EQ(reader.rest().size(), size);
      EXPECT_EQ(reader.uint32(word), size >= 4);
    }
  }
}

TEST(Wire, ALengthOfFourGibibytesReadsNothing) {
  std::string_view text;
  for (const char* length : {"ff ff ff ff", "ff ff ff fb", "80 00 00 00"}) {
    const std::string bytes = unhex(length) + "abc";
    EXPECT_FALSE(Reader(bytes).string(text)) << length;
  }
}

// RFC 4648 section 10 has the first seven.
TEST(Base64, BothWays) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xfb\xff\xbf", "+/+/"},
  };
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes) << text;
  }
}

TEST(Base64, OneWayToWriteEachText) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "====", "=",
                           "==", "Zg==Zg==", "Zm 9", "Zm9v\n", "-_-_", "Z===", "A=AA"})
    EXPECT_FALSE(from_base64(text)) << text;
}

}  // namespace
}  // namespace envgate::ssh::auth
