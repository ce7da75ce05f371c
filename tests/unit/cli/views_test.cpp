// What the gateway answers, as it is printed; and the few bytes of HTTP on the way.
#include "control/cli/views.hpp"

#include <gtest/gtest.h>

#include "control/cli/http_client.hpp"

namespace envgate::cli {
namespace {

constexpr const char* kPage =
    R"({"routes":[{"env":"abc","generation":3,"kind":"vm","state":"running","address":"10.0.0.1",)"
    R"("ssh":{"listen_port":50001,"target_port":22,"mode":"passthrough"},)"
    R"("http":[{"port":80,"target_port":8080,"scheme":"http","access":"public"}]},)"
    R"({"env":"d","generation":12,"kind":"container","state":"stopped","address":"::1",)"
    R"("ssh":{"target_port":22,"mode":"passthrough"}}],)"
    R"("next":NEXT,"total":2})";

std::string page(const std::string& next) {
  std::string out = kPage;
  return out.replace(out.find("NEXT"), 4, next);
}

TEST(Views, RoutesAsATable) {
  const auto listing = routes_table();
  EXPECT_EQ(listing->add(page("\"d\"")), "d");
  EXPECT_EQ(listing->take(false), "") << "nothing before the widths are known";
  EXPECT_EQ(listing->add(R"({"routes":[],"next":null,"total":2})"), "");
  EXPECT_EQ(listing->size(), 2u);
  EXPECT_EQ(listing->take(true),
            "ENVIRONMENT  KIND       STATE    ADDRESS   SSH          HTTP             TCP  GENERATION\n"
            "abc          vm         running  10.0.0.1  50001 -> 22  80 -> 8080       -             3\n"
            "d            container  stopped  ::1       -            (default ports)  -            12\n");
}

TEST(Views, PagesBecomeOneJsonDocument) {
  const auto listing = listing_as_json("routes");
  EXPECT_EQ(listing->add(R"({"routes":[{"env":"a"},{"env":"b"}],"next":"b"})"), "b");
  std::string out = listing->take(false);
  EXPECT_EQ(listing->add(R"({"routes":[{"env":"c"}],"next":null})"), "");
  out += listing->take(true);
  EXPECT_EQ(out, "{\"routes\": [\n{\"env\":\"a\"},\n{\"env\":\"b\"},\n{\"env\":\"c\"}\n]}\n");
}

TEST(Views, SessionsAsATable) {
  const auto listing = sessions_table();
  listing->add(
      R"({"sessions":[{"id":256,"protocol":"ssh","environment":"abc","kind":"vm","target":"10.0.0.1:22",)"
      R"("client":"1.2.3.4:5","state":"busy","bytes_to_target":1536,"bytes_to_client":0,"requests":0,)"
      R"("started":"2026-02-02T10:30:00Z","duration_seconds":65.0},)"
      R"({"id":257,"protocol":"https","environment":null,"kind":null,"target":null,)"
      R"("client":"[::1]:5","state":"idle","bytes_to_target":0,"bytes_to_client":0,"requests":2,)"
      R"("started":"2026-02-02T10:30:00Z","duration_seconds":0.5}],"next":null})");
  EXPECT_EQ(
      listing->take(true),
      " ID  PROTOCOL  ENVIRONMENT  CLIENT     TARGET       STATE  TO TARGET  TO CLIENT  REQUESTS        AGE\n"
      "256  ssh       abc          1.2.3.4:5  10.0.0.1:22  busy     1.5 KiB        0 B         0  1 min 5 s\n"
      "257  https     -            [::1]:5    -            idle         0 B        0 B         2     500 "
      "ms\n");
}

TEST(Views, EmptyListings) {
  const auto routes = routes_table();
  EXPECT_EQ(routes->add(R"({"routes":[],"next":null})"), "");
  EXPECT_EQ(routes->take(true), "no routes\n");
}

TEST(Views, Changes) {
  EXPECT_EQ(changes_view(R"({"live":[],"restart":[]})"), "reloaded; no setting has changed\n");
  EXPECT_EQ(changes_view(R"({"live":[{"key":"log.level","before":"info","after":"debug"}],)"
                         R"("restart":[{"key":"workers","before":"0","after":"4"}]})"),
            "log.level: info -> debug\nneeds a restart: workers: 0 -> 4\n");
}

TEST(Views, ProblemsSayEverything) {
  EXPECT_EQ(problem_view(
                422, R"({"status":422,"detail":"refused","errors":["a.yaml:1: x","a.yaml:2: y\u001b[2J"]})"),
            "refused\n  a.yaml:1: x\n  a.yaml:2: y?[2J\n");
  EXPECT_EQ(problem_view(500, "<html>"), "the gateway answered 500\n");
}

TEST(Views, MetricsAsJson) {
  EXPECT_EQ(metrics_as_json("# HELP a b\n# TYPE a gauge\na 1\nb{x=\"1\",y=\"q\\\"\\\\\\nz, }\"} "
                            "2.5\nc{le=\"+Inf\"} +Inf\nd NaN\n"),
            "{\"samples\": [\n"
            "{\"name\":\"a\",\"labels\":{},\"value\":1.0},\n"
            "{\"name\":\"b\",\"labels\":{\"x\":\"1\",\"y\":\"q\\\"\\\\\\nz, }\"},\"value\":2.5},\n"
            "{\"name\":\"c\",\"labels\":{\"le\":\"+Inf\"},\"value\":\"+Inf\"},\n"
            "{\"name\":\"d\",\"labels\":{},\"value\":\"NaN\"}\n]}\n");
}

TEST(Views, ThrowWhereTheAnswerIsAnotherOne) {
  EXPECT_THROW(status_view("{}"), std::exception);
  EXPECT_THROW(routes_table()->add("[]"), std::exception);
  EXPECT_THROW(pretty("not json"), std::exception);
}

TEST(HttpClient, ReadsAnAnswer) {
  const auto answer =
      parse_answer("HTTP/1.1 404 Not Found\r\ncontent-TYPE: application/json\r\nContent-Length: 2\r\n\r\n{}");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->content_type, "application/json");
  EXPECT_EQ(answer->body, "{}");
}

TEST(HttpClient, ReadsTheFieldsThatAreUsedAndChunks) {
  const auto answer = parse_answer(
      "HTTP/1.1 200 OK\r\nETag: \"7\"\r\ndate:  Wed, 25 Nov 2026 08:00:00 GMT \r\n"
      "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->etag, "\"7\"");
  EXPECT_EQ(answer->date, "Wed, 25 Nov 2026 08:00:00 GMT");
  EXPECT_EQ(answer->body, "abc0123456789");
}

TEST(HttpClient, ReadsByteByByte) {
  const std::string bytes =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
  AnswerReader reader;
  std::string body;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(reader.complete()) << i;
    ASSERT_TRUE(reader.feed(std::string_view(bytes).substr(i, 1), body));
  }
  EXPECT_TRUE(reader.complete());
  EXPECT_TRUE(reader.close());
  EXPECT_EQ(body, "abcd");
}

TEST(HttpClient, RefusesWhatIsNone) {
  for (const char* bytes :
       {"", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"})
    EXPECT_FALSE(parse_answer(bytes)) << bytes;
}

TEST(HttpClient, EncodesSegments) {
  EXPECT_EQ(encode_segment("log.level_x-~"), "log.level_x-~");
  EXPECT_EQ(encode_segment("a/b?c#d e%\xc3\xa9"), "a%2Fb%3Fc%23d%20e%25%C3%A9");
  EXPECT_EQ(encode_segment(std::string_view("\0", 1)), "%00");
}

TEST(HttpClient, SaysWhereNobodyListens) {
  const auto answer = request("/nonexistent/admin.sock", "GET", "/status");
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().unreachable);
  EXPECT_NE(answer.error().message.find("is envgate running?"), std::string::npos);
}

}  // namespace
}  // namespace envgate::cli
