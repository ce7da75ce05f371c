#include "gateway/ssh/recorder/prune.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "gateway/ssh/recorder/index.hpp"

namespace envgate::ssh::recorder {
namespace {

constexpr std::string_view kEntry = ".json";

// Of "ID-1.cast" and "ID.jsonl".
std::string id_of_record(const std::string& name) {
  if (name.ends_with(".jsonl")) return name.substr(0, name.size() - 6);
  return name.substr(0, std::min(name.rfind('-'), name.size()));
}

// An entry as if it were a record. Its time is that of its last change, which is never before its records':
// so it goes behind them.
std::optional<record::StoredRecord> stored_entry(const std::string& directory, const std::string& id,
                                                 bool open) {
  struct stat info {};
  const std::string name = id + std::string(kEntry);
  if (::lstat((directory + "/" + name).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  record::StoredRecord out;
  out.name = name;
  out.bytes = static_cast<std::uint64_t>(info.st_blocks) * 512;
  out.changed_at =
      std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec)));
  out.open = open;
  return out;
}

}  // namespace

Result<std::size_t> prune(const std::string& directory, const record::RetentionPolicy& policy,
                          const IsOpen& is_open, std::chrono::system_clock::time_point now) {
  auto all = record::stored_records(directory);
  const auto ids = list_ids(directory);
  if (!all || !ids) return tl::unexpected(all ? ids.error() : all.error());
  for (record::StoredRecord& one : *all) one.open = one.open || is_open(id_of_record(one.name));
  for (const std::string& id : *ids)
    if (auto entry = stored_entry(directory, id, is_open(id))) all->push_back(std::move(*entry));

  std::multiset<std::string> left;  // ids of records that stay
  for (const record::StoredRecord& one : *all)
    if (!one.name.ends_with(kEntry)) left.insert(id_of_record(one.name));
  std::vector<record::StoredRecord> records;
  std::set<std::string> entries;  // that are to go, if no record of theirs stays
  for (record::StoredRecord& one : record::to_remove(std::move(*all), policy, now)) {
    if (one.name.ends_with(kEntry)) {
      entries.insert(one.name.substr(0, one.name.size() - kEntry.size()));
      continue;
    }
    const std::string id = id_of_record(one.name);
    left.erase(left.find(id));
    if (!is_open(id)) entries.insert(id);
    records.push_back(std::move(one));
  }
  auto removed = record::remove_records(directory, records);
  std::size_t count = records.size();
  for (const std::string& id : entries) {
    if (left.contains(id)) continue;
    const std::string path = directory + "/" + id + std::string(kEntry);
    if (::unlink(path.c_str()) == 0)
      ++count;
    else if (errno != ENOENT && removed)
      removed = fail_errno("remove " + path, errno);
  }
  if (!removed) return tl::unexpected(removed.error());
  return count;
}

}  // namespace envgate::ssh::recorder
