// What is told while something goes on: the bar of an operation, events, the doctor's own checks.
#include "control/cli/progress.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/cli/doctor.hpp"
#include "control/cli/sse.hpp"

namespace envgate::cli {
namespace {

Json at(const char* step, const char* detail, std::uint64_t done, std::uint64_t total) {
  return {{"state", "running"},
          {"progress", {{"step", step}, {"detail", detail}, {"done", done}, {"total", total}}}};
}

TEST(Progress, ABar) {
  EXPECT_EQ(progress_bar(at("pull", "layer 3", 3, 10), 80), "[######--------------] 3/10 pull: layer 3");
  EXPECT_EQ(progress_bar(at("pull", "", 0, 0), 80), "[....................] pull");
  EXPECT_EQ(progress_bar(at("", "", 0, 0), 80), "[....................] running");
  EXPECT_EQ(progress_bar(at("copy", "", 1u << 30, 4ull << 30), 80), "[#####---------------] 25% copy");
  EXPECT_EQ(progress_bar(at("x", "", 12, 10), 80), "[####################] 10/10 x")
      << "more than all is all";
  EXPECT_EQ(progress_bar({{"state", "pending"}}, 80), "[....................] pending");
}

TEST(Progress, IsCutBetweenCharactersAndHarmless) {
  EXPECT_EQ(progress_bar(at("\xc3\xa9\xc3\xa9\xc3\xa9", "", 0, 0), 25),
            "[....................] \xc3\xa9\xc3\xa9");
  EXPECT_EQ(progress_step(at("a\r\x1b[2J", "b\n", 0, 0)), "a??[2J: b?");
}

std::vector<ServerEvent> events_of(std::string_view bytes, std::size_t step) {
  SseReader reader;
  std::vector<ServerEvent> all;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    const auto some = reader.feed(bytes.substr(0, step));
    all.insert(all.end(), some->begin(), some->end());
  }
  return all;
}

TEST(Sse, EventsInEveryKindOfPieces) {
  const std::string bytes =
      ": hello\n\nid: 1\nevent: a\ndata: x\ndata: y\n\nid:2\r\ndata:z\r\n\r\ndata\n\nevent: none\n\ndata: "
      "cut";
  for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u}) {
    const auto events = events_of(bytes, step);
    ASSERT_EQ(events.size(), 3u) << step;
    EXPECT_EQ(events[0].id + events[0].type + events[0].data, "1ax\ny");
    EXPECT_EQ(events[1].id + events[1].type + events[1].data, "2z");
    EXPECT_EQ(events[2].id + events[2].type + events[2].data, "2") << "the id stays, the type does not";
  }
}

TEST(Sse, AnEventWithoutEndIsRefused) {
  SseReader reader;
  const std::string piece(600'000, 'x');
  EXPECT_TRUE(reader.feed(piece));
  EXPECT_FALSE(reader.feed(piece));
}

TEST(Doctor, Certificates) {
  EXPECT_EQ(certificate_check("a", 15 * 86400).status, "ok");
  EXPECT_EQ(certificate_check("a", 13 * 86400).status, "warn");
  const Check expired = certificate_check("a", -3600);
  EXPECT_EQ(expired.status, "fail");
  EXPECT_EQ(expired.message, "a expired 1 h ago");
  EXPECT_NE(expired.remedy, "");
}

TEST(Doctor, Clocks) {
  const std::string date = "Wed, 25 Nov 2026 08:00:00 GMT";  // 1795593600
  constexpr std::int64_t kThen = 1795593600;
  EXPECT_EQ(clock_check("c", date, kThen).message, "0 s away from this machine's");
  EXPECT_EQ(clock_check("c", date, kThen + 5).status, "ok");
  EXPECT_EQ(clock_check("c", date, kThen - 6).status, "warn");
  EXPECT_EQ(clock_check("c", date, kThen + 61).status, "fail");
  EXPECT_EQ(clock_check("c", "2026-11-25T08:00:00.123Z", kThen).message, "0 s away from this machine's");
  EXPECT_EQ(clock_check("c", "yesterday", kThen).status, "warn");
}

}  // namespace
}  // namespace envgate::cli
