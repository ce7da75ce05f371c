#include "gateway/ssh/entry_name.hpp"

#include <gtest/gtest.h>

#include <string>

namespace envgate::ssh {
namespace {

using routing::EnvId;

TEST(EntryName, AnEnvironmentAlone) {
  EXPECT_EQ(parse_entry_name("6hiflzwte2xnkroq"), (EntryName{"", *EnvId::parse("6hiflzwte2xnkroq")}));
}

TEST(EntryName, ALoginAndAnEnvironment) {
  EXPECT_EQ(parse_entry_name("root+6hiflzwte2xnkroq"),
            (EntryName{"root", *EnvId::parse("6hiflzwte2xnkroq")}));
  EXPECT_EQ(parse_entry_name("Jane.Doe_2-x+a"), (EntryName{"Jane.Doe_2-x", *EnvId::parse("a")}));
  EXPECT_TRUE(parse_entry_name(std::string(32, 'u') + "+" + std::string(32, 'e')));
}

TEST(EntryName, OthersAreNone) {
  for (const std::string& name :
       {std::string(), std::string("+"), std::string("+abc"), std::string("root+"),
        std::string("root" + std::string("+ABC")), std::string("ABC"), std::string("a+b+c"),
        std::string("-l+abc"), std::string("ro ot+abc"), std::string("root+abc "), std::string("root+a-b"),
        std::string("j\xc3\xb6rg+abc"), std::string("root;id+abc"), std::string(33, 'u') + "+abc",
        "root+" + std::string(33, 'e'), std::string("root+abc\0", 9)})
    EXPECT_FALSE(parse_entry_name(name)) << name;
}

}  // namespace
}  // namespace envgate::ssh
