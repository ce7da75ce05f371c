#include "gateway/http/fields.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace envgate::http {
namespace {

TEST(Fields, EveryNamedFieldIsFoundInAnyCase) {
  for (int i = 3; i < static_cast<int>(FieldId::count_); ++i) {
    const auto id = static_cast<FieldId>(i);
    std::string name(field_name(id));
    ASSERT_FALSE(name.empty()) << i;
    EXPECT_EQ(field_id(name), id) << name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    EXPECT_EQ(field_id(name), id) << name;
    EXPECT_EQ(field_id(name + "x"), name.starts_with("X-FORWARDED") ? FieldId::x_forwarded : FieldId::other);
    EXPECT_NE(field_id(name.substr(1)), id) << name;
  }
}

TEST(Fields, FamiliesAndStrangersAreToldApart) {
  EXPECT_EQ(field_id("X-Forwarded-For"), FieldId::x_forwarded);
  EXPECT_EQ(field_id("x-forwarded-anything-at-all"), FieldId::x_forwarded);
  EXPECT_EQ(field_id("X_Forwarded_For"), FieldId::underscored);
  EXPECT_EQ(field_id("Content_Length"), FieldId::underscored);
  EXPECT_EQ(field_id("x-forward"), FieldId::other);
  EXPECT_EQ(field_id(""), FieldId::other);
  EXPECT_EQ(field_id("h\xefst"), FieldId::other);
  EXPECT_EQ(field_id("HO\x13T"), FieldId::other);  // differs from HOST by the bit that folds case
}

TEST(Fields, ComparesAsciiCaseOnly) {
  EXPECT_TRUE(equals_ignoring_case("Transfer-Encoding", "tRANSFER-eNCODING"));
  EXPECT_FALSE(equals_ignoring_case("Transfer-Encoding", "Transfer\rEncoding"));
  for (int c = 0; c < 256; ++c) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{8}, std::size_t{13}}) {
      const std::string a(size, static_cast<char>(c)), b(size, static_cast<char>(c ^ 0x20));
      const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
      EXPECT_TRUE(equals_ignoring_case(a, a));
      EXPECT_EQ(equals_ignoring_case(a, b), letter) << c << " " << size;
    }
  }
}

TEST(Fields, ListsGiveTheirMembers) {
  std::string_view list = " , a ,\tb b,,c,", member;
  ASSERT_TRUE(next_list_member(list, member));
  EXPECT_EQ(member, "a");
  ASSERT_TRUE(next_list_member(list, member));
  EXPECT_EQ(member, "b b");
  ASSERT_TRUE(next_list_member(list, member));
  EXPECT_EQ(member, "c");
  EXPECT_FALSE(next_list_member(list, member));
}

TEST(Fields, TrailersMayNotChangeWhatWasDecided) {
  for (const char* name :
       {"Content-Length", "Transfer-Encoding", "Host", "Authorization", "Cookie", "Set-Cookie",
        "Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "X-Forwarded-For", "X-Real-IP",
        "Connection", "Trailer", "TE", "Sec-Anything", "Content_Length", "Expect"})
    EXPECT_TRUE(is_forbidden_in_trailers(name, field_id(name))) << name;
  for (const char* name : {"ETag", "Date", "Server-Timing", "grpc-status", "Digest", "X-Checksum"})
    EXPECT_FALSE(is_forbidden_in_trailers(name, field_id(name))) << name;
}

}  // namespace
}  // namespace envgate::http
