#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace envgate {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, PrintableIsUtf8WithoutControlCharacters) {
  for (const auto text :
       {""sv, "root"sv, "a b~"sv, "j\xc3\xb6rg"sv, "\xc2\xa0"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x98\x80"sv})
    EXPECT_TRUE(is_printable_utf8(text)) << text;
  for (const auto text : {"a\nb"sv, "\t"sv, "a\0"sv, "\x1b[2J"sv, "\x7f"sv, "\xc2\x80"sv, "\xc2\x9f"sv,
                          "\xc2"sv, "\xff"sv, "\xed\xa0\x80"sv, "\xc0\x80"sv})
    EXPECT_FALSE(is_printable_utf8(text)) << text;
}

}  // namespace
}  // namespace envgate
