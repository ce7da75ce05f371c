#include "gateway/http/private_cookie.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace envgate::http {
namespace {

std::vector<std::string> ours(std::string_view rest) {
  std::vector<std::string> values;
  for (std::string_view value; next_private_cookie(rest, value);) values.emplace_back(value);
  return values;
}

TEST(PrivateCookie, IsFoundAndTakenOutAndTheRestStays) {
  using Values = std::vector<std::string>;
  const struct {
    std::string_view field, left;
    Values values;
  } rows[] = {
      {"", "", {}},
      {"a=1; b=2", "a=1; b=2", {}},
      {"__Host-envgate=x", "", {"x"}},
      {"__Host-envgate=x; a=1", "a=1", {"x"}},
      {"a=1; __Host-envgate=x", "a=1", {"x"}},
      {"a=1; __Host-envgate=x; b=2", "a=1; b=2", {"x"}},
      {"a=1;__Host-envgate=x;b=2", "a=1;b=2", {"x"}},
      {"__Host-envgate=x; __Host-envgate=y; a=1; __Host-envgate=", "a=1", {"x", "y", ""}},
      {"a=1;  __Host-envgate = x ;  b = 2 ; c", "a=1;  b = 2 ; c", {"x"}},
      {"__Host-envgate=x=y; a=1", "a=1", {"x=y"}},
      {"__Host-envgate", "", {""}},
      // As a browser divides it, a quote opens nothing.
      {"a=\"1; __Host-envgate=x; b=2\"", "a=\"1; b=2\"", {"x"}},
      // Exactly that name.
      {"__host-envgate=x; __Host-envgate2=y; x__Host-envgate=z; a=__Host-envgate; b=\"__Host-envgate=q",
       "__host-envgate=x; __Host-envgate2=y; x__Host-envgate=z; a=__Host-envgate; b=\"__Host-envgate=q", {}},
      {";; a=1;\t;b=;", ";; a=1;\t;b=;", {}},
      {"a=1;; __Host-envgate=x;; b=2;", "a=1;;; b=2;", {"x"}},
  };
  std::string scratch;
  for (const auto& row : rows) {
    EXPECT_EQ(ours(row.field), row.values) << row.field;
    EXPECT_EQ(without_private_cookie(row.field, scratch), row.left) << row.field;
    EXPECT_TRUE(ours(without_private_cookie(row.field, scratch)).empty()) << row.field;
  }
}

TEST(PrivateCookie, NoTargetSetsIt) {
  for (const std::string_view value :
       {"__Host-envgate=x", "__Host-envgate=x; Path=/; Secure", " __Host-envgate = x", "__Host-envgate",
        "__Host-envgate=; Max-Age=0", "=__Host-envgate=x", " = __Host-envgate=x; Path=/", "=__Host-envgate"})
    EXPECT_TRUE(sets_private_cookie(value)) << value;
  for (const std::string_view value :
       {"", "a=1", "a=__Host-envgate", "a=1; __Host-envgate=x", "__Host-envgate2=x", "__Host-other=x", ";",
        "="})
    EXPECT_FALSE(sets_private_cookie(value)) << value;
}

}  // namespace
}  // namespace envgate::http
