#include "gateway/ssh/recorder/index.hpp"

#include <gmock/gmock.h>

#include "tests/unit/gateway/ssh/recorder/fixtures.hpp"

namespace envgate::ssh::recorder::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

IndexEntry entry_of(const std::string& id) {
  IndexEntry out;
  out.facts = opening(id).facts;
  out.facts.started_at = std::chrono::system_clock::time_point(milliseconds(1'764'000'000'042));
  return out;
}

TEST(RecordIndex, IdsAreInTheOrderOfTheirTime) {
  const std::chrono::system_clock::time_point time(seconds(1'764'000'000));
  const std::string id = new_id(time);
  EXPECT_TRUE(is_id(id));
  EXPECT_TRUE(id.starts_with("20251124T160000-")) << id;
  EXPECT_NE(id, new_id(time));
  EXPECT_LT(id, new_id(time + seconds(1)));
  for (const char* const bad : {"", "-a", "12", "ab", "a-/b", "a-.b", "..", "a b-c"})
    EXPECT_FALSE(is_id(bad)) << bad;
  EXPECT_FALSE(is_id(std::string(64, 'a') + "-"));
}

TEST(RecordIndex, Timestamps) {
  const auto at = parse_timestamp("2025-11-24T16:00:00.042Z");
  ASSERT_TRUE(at);
  EXPECT_EQ(at->time_since_epoch(), milliseconds(1'764'000'000'042));
  EXPECT_EQ(record::timestamp_of(*parse_timestamp("2025-11-24T16:00:00Z")), "2025-11-24T16:00:00.000Z");
  for (const char* const bad : {"", "2025", "2025-11-24T16:00:00", "2025-13-24T16:00:00Z",
                                "2025-11-24 16:00:00Z", "2025-11-24T16:00:00.Z", "2025-11-24T16:00:00+01:00",
                                "2025-00-24T16:00:00Z", "2025-11-24T16:00:00xZ", "20251-1-24T16:00:00Z"})
    EXPECT_FALSE(parse_timestamp(bad)) << bad;
}

TEST(RecordIndex, AnEntryComesBackAsItWas) {
  const TempDir dir;
  IndexEntry entry = entry_of("s-1");
  entry.facts.user = "bad \xff bytes";
  entry.ended = entry.facts.started_at + seconds(5);
  entry.reason = "done";
  entry.incomplete = "disk";
  entry.bytes = 12;
  entry.files = {"s-1.jsonl", "s-1-7.cast"};
  ASSERT_TRUE(write_entry(dir.path(""), entry, Durable::yes));
  const auto read = read_entry(dir.path(""), "s-1");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->facts.user, "bad \xef\xbf\xbd bytes");
  EXPECT_EQ(read->facts.method, "publickey");
  EXPECT_EQ(read->facts.started_at, entry.facts.started_at);
  EXPECT_EQ(read->ended, entry.ended);
  EXPECT_EQ(read->reason, "done");
  EXPECT_EQ(read->incomplete, "disk");
  EXPECT_EQ(read->bytes, 12u);
  EXPECT_EQ(read->files, entry.files);
  EXPECT_EQ(read_entry(dir.path(""), "s-2").error().code, ENOENT);
  EXPECT_EQ(read_entry(dir.path(""), "../s-1").error().code, ENOENT);
}

TEST(RecordIndex, WhatIsNoEntryIsRefused) {
  const std::string good = to_json(entry_of("s-1"));
  ASSERT_TRUE(parse_entry(good));
  for (const std::string& bad : {std::string(), std::string("[]"), std::string("{}"),
                                 good.substr(0, good.size() / 2), std::string(R"({"id":7})")})
    EXPECT_FALSE(parse_entry(bad)) << bad;
  Json foreign = Json::parse(good);
  foreign["files"] = {"s-1.jsonl", "../../etc/passwd", "s-2.jsonl", "s-1-x.cast"};
  EXPECT_THAT(parse_entry(foreign.dump())->files, ElementsAre("s-1.jsonl"));
}

TEST(RecordIndex, ListedNewestFirstByPagesAndFilters) {
  const TempDir dir;
  for (int i = 0; i < 5; ++i) {
    IndexEntry entry = entry_of("s-" + std::to_string(i));
    entry.facts.environment = i % 2 == 0 ? "even" : "odd";
    entry.facts.started_at += seconds(i);
    ASSERT_TRUE(write_entry(dir.path(""), entry, Durable::no));
  }
  dir.write("s-9.json", "broken");
  dir.write("note.json", "{}");
  const auto ids = [&](const Query& query) {
    std::vector<std::string> out;
    const auto page = list_entries(dir.path(""), query);
    for (const IndexEntry& entry : page->entries) out.push_back(entry.facts.session);
    out.push_back("next " + page->next);
    return out;
  };
  Query query;
  EXPECT_THAT(ids(query), ElementsAre("s-4", "s-3", "s-2", "s-1", "s-0", "next "));
  query.limit = 2;
  EXPECT_THAT(ids(query), ElementsAre("s-4", "s-3", "next s-3"));
  query.after = "s-3";
  EXPECT_THAT(ids(query), ElementsAre("s-2", "s-1", "next s-1"));
  query.environment = "even";
  EXPECT_THAT(ids(query), ElementsAre("s-2", "s-0", "next "));
  query = {};
  query.since = entry_of("s-0").facts.started_at + seconds(1);
  query.until = *query.since + seconds(2);
  EXPECT_THAT(ids(query), ElementsAre("s-2", "s-1", "next "));
}

TEST(RecordIndex, HalfWrittenAndOpenEntriesAreClosed) {
  const TempDir dir;
  ASSERT_TRUE(write_entry(dir.path(""), entry_of("s-1"), Durable::no));
  dir.write("s-1-2.cast", "abc");
  dir.write("s-1-2-3.cast", "of another");
  dir.write(".s-2.json.new", "{");
  EXPECT_EQ(close_cut_off(dir.path("")).value(), 1u);
  const auto entry = read_entry(dir.path(""), "s-1");
  EXPECT_EQ(entry->reason, "cut off");
  EXPECT_THAT(entry->files, ElementsAre("s-1-2.cast"));
  EXPECT_EQ(entry->bytes, 3u);
  EXPECT_FALSE(std::filesystem::exists(dir.path(".s-2.json.new")));
  EXPECT_EQ(close_cut_off(dir.path("")).value(), 0u);
}

TEST(RecordIndex, RemovedWithItsFilesAndNoOthers) {
  const TempDir dir;
  IndexEntry entry = entry_of("s-1");
  entry.files = {"s-1-2.cast"};
  ASSERT_TRUE(write_entry(dir.path(""), entry, Durable::no));
  dir.write("s-1-2.cast", "");
  dir.write("s-1-2.cast.chain", "");
  dir.write("s-1-3.cast", "");
  EXPECT_TRUE(remove_entry(dir.path(""), entry));
  EXPECT_TRUE(remove_entry(dir.path(""), entry));
  EXPECT_FALSE(std::filesystem::exists(dir.path("s-1.json")));
  EXPECT_FALSE(std::filesystem::exists(dir.path("s-1-2.cast.chain")));
  EXPECT_TRUE(std::filesystem::exists(dir.path("s-1-3.cast")));
}

}  // namespace
}  // namespace envgate::ssh::recorder::test
