#include "record/retention.hpp"

#include <gmock/gmock.h>

#include "tests/unit/record/fixtures.hpp"

namespace envgate::record::test {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Time = std::chrono::system_clock::time_point;

Time at(int second) { return Time(seconds(second)); }

std::vector<std::string> names(const std::vector<StoredRecord>& records) {
  std::vector<std::string> out;
  for (const StoredRecord& record : records) out.push_back(record.name);
  return out;
}

TEST(RetentionTest, TheOldestGoFirstAndOpenOnesNever) {
  const std::vector<StoredRecord> records = {{"new.cast", 100, at(90), false},
                                             {"old.cast", 100, at(10), false},
                                             {"open.cast", 500, at(1), true},
                                             {"mid.jsonl", 100, at(50), false},
                                             {"b.cast", 100, at(50), false}};
  const auto going = [&](std::optional<seconds> age, std::optional<std::uint64_t> bytes) {
    return names(to_remove(records, {age, bytes}, at(100)));
  };
  EXPECT_THAT(going({}, {}), IsEmpty());
  EXPECT_THAT(going(seconds(90), {}), IsEmpty()) << "not older than that";
  EXPECT_THAT(going(seconds(89), {}), ElementsAre("old.cast"));
  EXPECT_THAT(going(seconds(0), {}), ElementsAre("old.cast", "b.cast", "mid.jsonl", "new.cast"));
  EXPECT_THAT(going({}, 900), IsEmpty());
  EXPECT_THAT(going({}, 899), ElementsAre("old.cast"));
  EXPECT_THAT(going({}, 700), ElementsAre("old.cast", "b.cast"));
  EXPECT_THAT(going({}, 0), ElementsAre("old.cast", "b.cast", "mid.jsonl", "new.cast"));
  EXPECT_THAT(going(seconds(89), 700), ElementsAre("old.cast", "b.cast"));
}

TEST(RetentionTest, RecordsOfAFolder) {
  const TempDir dir;
  auto ended = std::move(ChainedFile::create(dir.path(""), "ended.cast", nullptr).value());
  ASSERT_TRUE(ended.append("header\n", milliseconds(0)));
  ASSERT_TRUE(ended.end(milliseconds(1)));
  auto open = std::move(ChainedFile::create(dir.path(""), "open.jsonl", nullptr).value());
  ASSERT_TRUE(open.append("header\n", milliseconds(0)));
  dir.write("lone.cast.chain", "x");
  dir.write("notes.txt", "not ours");
  dir.write("record.key", "not ours");
  ASSERT_EQ(::symlink(dir.path("notes.txt").c_str(), dir.path("link.cast").c_str()), 0);
  std::filesystem::create_directory(dir.path("folder.cast"));

  auto records = stored_records(dir.path(""));
  ASSERT_TRUE(records);
  ASSERT_THAT(names(*records), ElementsAre("ended.cast", "lone.cast", "open.jsonl"));
  EXPECT_EQ((*records)[0].bytes, std::filesystem::file_size(dir.path("ended.cast")) +
                                     std::filesystem::file_size(dir.path("ended.cast.chain")));
  EXPECT_FALSE((*records)[0].open);
  EXPECT_TRUE((*records)[2].open);
  EXPECT_LT(std::chrono::system_clock::now() - (*records)[0].changed_at, seconds(60));

  // All are asked for, and those that are open, or no records, stay.
  records->push_back({"notes.txt", 1, {}, false});
  records->push_back({"../x.cast", 1, {}, false});
  records->push_back({"gone.cast", 1, {}, false});
  const auto removed = remove_records(dir.path(""), *records);
  EXPECT_TRUE(removed) << removed.error().message;
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path("")))
    left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::UnorderedElementsAre("open.jsonl", "open.jsonl.chain", "notes.txt", "record.key",
                                                  "link.cast", "folder.cast"));
  ASSERT_TRUE(open.end(milliseconds(2)));
  ASSERT_TRUE(remove_records(dir.path(""), stored_records(dir.path("")).value()));
  EXPECT_FALSE(std::filesystem::exists(dir.path("open.jsonl")));
  EXPECT_FALSE(std::filesystem::exists(dir.path("open.jsonl.chain")));
  EXPECT_FALSE(stored_records(dir.path("none")));
}

}  // namespace
}  // namespace envgate::record::test
