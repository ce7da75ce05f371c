#include <gtest/gtest.h>

#include "gateway/admin/dispatch.hpp"
#include "gateway/admin/json_writer.hpp"

namespace envgate::admin {
namespace {

using http::Method;

Response nothing(Context&, const Request&) { return {}; }

constexpr Operation kTable[] = {
    {Method::get, "/health", Right::open, nothing},
    {Method::get, "/things", Right::read, nothing},
    {Method::get, "/things/{id}", Right::read, nothing},
    {Method::delete_, "/things/{id}", Right::change, nothing},
    {Method::post, "/stop", Right::change, nothing},
};

Request ask(Method method, std::string_view path, bool local = true, bool allowed = true) {
  Request request;
  request.method = method;
  request.method_name = "M";
  EXPECT_FALSE(read_target(path, "", request));
  request.caller.local = local;
  request.caller.allowed = allowed;
  return request;
}

int status_of(Request request) {
  const auto found = find_operation(kTable, request);
  return found ? 0 : found.error().status;
}

TEST(Dispatch, FindsByMethodAndPath) {
  Request request = ask(Method::delete_, "/things/a%2Fb");
  const auto found = find_operation(kTable, request);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->method, Method::delete_);
  EXPECT_EQ(request.name, "a/b") << "decoded after it was split";
}

TEST(Dispatch, HeadIsGet) { EXPECT_EQ(status_of(ask(Method::head, "/things")), 0); }

TEST(Dispatch, UnknownPaths) {
  for (const char* path :
       {"/", "/thing", "/things/", "/things/a/b", "/Things", "/things/a/", "//things", "/stop/x"})
    EXPECT_EQ(status_of(ask(Method::get, path)), 404) << path;
}

TEST(Dispatch, WrongMethodSaysWhichAreRight) {
  Request request = ask(Method::put, "/things/a");
  const auto found = find_operation(kTable, request);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().status, 405);
  EXPECT_EQ(found.error().allow, "GET, HEAD, DELETE");
  const std::string text = to_http(found.error(), false, false);
  EXPECT_NE(text.find("\r\nAllow: GET, HEAD, DELETE\r\n"), std::string::npos) << text;
}

TEST(Dispatch, RightsByCaller) {
  EXPECT_EQ(status_of(ask(Method::get, "/health", false, false)), 0);
  EXPECT_EQ(status_of(ask(Method::get, "/things", false, false)), 404) << "over TCP the rest does not exist";
  EXPECT_EQ(status_of(ask(Method::post, "/stop", false, false)), 404);
  EXPECT_EQ(status_of(ask(Method::get, "/things", true, false)), 403);
  EXPECT_EQ(status_of(ask(Method::put, "/things", true, false)), 403) << "before the method is looked at";
  EXPECT_EQ(status_of(ask(Method::post, "/stop", true, true)), 0);
}

Request query(std::string_view text) {
  Request request;
  EXPECT_FALSE(read_target("/x", text, request));
  return request;
}

TEST(Query, IsTakenApart) {
  const Request request = query("?a=1&b=x%20y+z&c&&d==");
  ASSERT_EQ(request.query.size(), 4u);
  EXPECT_EQ(*request.parameter("a"), "1");
  EXPECT_EQ(*request.parameter("b"), "x y z");
  EXPECT_EQ(*request.parameter("c"), "");
  EXPECT_EQ(*request.parameter("d"), "=");
  EXPECT_EQ(request.parameter("e"), nullptr);
}

TEST(Query, BrokenEscapesAreRefused) {
  for (const char* text : {"?a=%", "?a=%2", "?a=%zz", "?%=1"}) {
    Request request;
    const auto refused = read_target("/x", text, request);
    ASSERT_TRUE(refused) << text;
    EXPECT_EQ(refused->status, 400);
  }
  Request request;
  EXPECT_TRUE(read_target("/a%4", "", request));
}

TEST(Query, NumbersHaveARange) {
  EXPECT_EQ(*query("?limit=10").number("limit", 1, 10, 5), 10u);
  EXPECT_EQ(*query("").number("limit", 1, 10, 5), 5u);
  for (const char* text : {"?limit=0", "?limit=11", "?limit=", "?limit=-1", "?limit=1x", "?limit=+1",
                           "?limit=99999999999999999999"}) {
    const auto value = query(text).number("limit", 1, 10, 5);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().status, 400);
    EXPECT_NE(value.error().body.find("\"field\":\"limit\""), std::string::npos) << value.error().body;
  }
}

TEST(Query, UnknownAndRepeatedParametersAreRefused) {
  EXPECT_FALSE(query("?a=1&b=2").refuse_unknown({"a", "b"}));
  EXPECT_TRUE(query("?a=1&c=2").refuse_unknown({"a", "b"}));
  EXPECT_TRUE(query("?a=1&a=1").refuse_unknown({"a"}));
  EXPECT_TRUE(query("?a").refuse_unknown({}));
}

TEST(Answers, HeadHasNoBody) {
  const Response response{200, "text/plain", "hello", {}};
  EXPECT_TRUE(to_http(response, true, false).ends_with("\r\n\r\nhello"));
  const std::string head = to_http(response, true, true);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_NE(head.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(head.find("Connection: close\r\n"), std::string::npos);
}

TEST(Answers, ProblemsAreEscaped) {
  const Response response = problem(400, "a \"b\"\n", "f", {"e1", "e2"});
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(
      response.body,
      "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"a \\\"b\\\"\\n\","
      "\"field\":\"f\",\"errors\":[\"e1\",\"e2\"]}\n");
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  JsonWriter json;
  json.begin_object().key("a").begin_array().end_array().key("b").begin_object().end_object();
  json.key("c")
      .begin_array()
      .number(1)
      .text("x{")
      .text("y[")
      .begin_object()
      .text("k", ":")
      .end_object()
      .null()
      .end_array();
  json.real("d", 0.5).boolean("e", false).raw("\"f\":1").end_object();
  EXPECT_EQ(std::move(json).finish(),
            "{\"a\":[],\"b\":{},\"c\":[1,\"x{\",\"y[\",{\"k\":\":\"},null],\"d\":0.5,\"e\":false,\"f\":1}\n");
}

TEST(JsonWriter, HasNoInfinity) {
  JsonWriter json;
  json.begin_array().real(1.0 / 0.0).real(1e300).end_array();
  EXPECT_EQ(std::move(json).finish(), "[null,1e+300]\n");
}

}  // namespace
}  // namespace envgate::admin
