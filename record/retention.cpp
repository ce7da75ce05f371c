#include "record/retention.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>

#include "base/fd.hpp"
#include "record/chained_file.hpp"

namespace envgate::record {
namespace {

bool is_record(std::string_view name) { return name.ends_with(".cast") || name.ends_with(".jsonl"); }

Result<Fd> open_folder(const std::string& directory) {
  Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail_errno("open the folder of records " + directory, errno);
  return folder;
}

// Its writer holds the chain's lock to its end.
bool is_open(int folder, const std::string& name) {
  const std::string chain = name + std::string(kChainSuffix);
  const Fd fd(::openat(folder, chain.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

void add_file(int folder, const std::string& file, std::map<std::string, StoredRecord>& seen) {
  std::string name = file;
  if (name.ends_with(kChainSuffix)) name.resize(name.size() - kChainSuffix.size());
  struct stat info {};
  if (!is_record(name) || ::fstatat(folder, file.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (!S_ISREG(info.st_mode)) return;
  StoredRecord& one = seen[name];
  one.name = name;
  one.bytes += static_cast<std::uint64_t>(info.st_size);
  const std::chrono::system_clock::time_point changed(std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec)));
  one.changed_at = std::max(one.changed_at, changed);
}

Result<void> remove_file(int folder, const std::string& directory, const std::string& name) {
  if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return fail_errno("remove " + directory + "/" + name, errno);
}

}  // namespace

Result<std::vector<StoredRecord>> stored_records(const std::string& directory) {
  auto folder = open_folder(directory);
  if (!folder) return tl::unexpected(folder.error());
  const Fd own(::openat(folder->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto close = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> listing(::fdopendir(folder->release()), close);
  if (!own || !listing) return fail_errno("list " + directory, errno);
  std::map<std::string, StoredRecord> seen;
  errno = 0;
  while (const dirent* const entry = ::readdir(listing.get()))
    add_file(own.get(), entry->d_name, seen), errno = 0;
  if (errno != 0) return fail_errno("list " + directory, errno);
  std::vector<StoredRecord> out;
  for (auto& [name, one] : seen) {
    one.open = is_open(own.get(), name);
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<StoredRecord> to_remove(std::vector<StoredRecord> records, const RetentionPolicy& policy,
                                    std::chrono::system_clock::time_point now) {
  std::uint64_t total = 0;
  for (const StoredRecord& record : records) total += record.bytes;
  std::erase_if(records, [](const StoredRecord& record) { return record.open; });
  std::stable_sort(records.begin(), records.end(), [](const StoredRecord& a, const StoredRecord& b) {
    return a.changed_at != b.changed_at ? a.changed_at < b.changed_at : a.name < b.name;
  });
  std::vector<StoredRecord> out;
  for (StoredRecord& record : records) {
    const bool old = policy.most_age && now - record.changed_at > *policy.most_age;
    const bool too_much = policy.most_bytes && total > *policy.most_bytes;
    if (!old && !too_much) break;
    total -= record.bytes;
    out.push_back(std::move(record));
  }
  return out;
}

Result<void> remove_records(const std::string& directory, const std::vector<StoredRecord>& records) {
  const auto folder = open_folder(directory);
  if (!folder) return tl::unexpected(folder.error());
  Result<void> first;
  for (const StoredRecord& record : records) {
    if (!is_record(record.name) || record.name.find('/') != record.name.npos) continue;
    if (is_open(folder->get(), record.name)) continue;
    // A chain that is left alone by a crash is found again; a record without its chain would look changed.
    auto removed = remove_file(folder->get(), directory, record.name);
    if (removed) removed = remove_file(folder->get(), directory, record.name + std::string(kChainSuffix));
    if (!removed && first) first = removed;
  }
  return first;
}

}  // namespace envgate::record
