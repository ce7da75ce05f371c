#include "gateway/ssh/recorder/index.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/fd.hpp"
#include "record/chained_file.hpp"

namespace envgate::ssh::recorder {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLargestEntry = 1 << 20;  // bytes
constexpr std::string_view kSuffix = ".json", kHalfWritten = ".json.new";

std::string path_of(const std::string& directory, const std::string& id) {
  return directory + "/" + id + std::string(kSuffix);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_id_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-';
}

Result<void> write_whole(const std::string& path, std::string_view bytes, Durable durable) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("create " + path, errno);
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("write " + path, n < 0 ? errno : EIO);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (durable == Durable::yes && ::fsync(fd.get()) != 0) return fail_errno("fsync " + path, errno);
  return {};
}

Result<std::string> read_whole(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno("open " + path, errno);
  std::string out;
  char piece[16 * 1024];
  for (ssize_t n; (n = ::read(fd.get(), piece, sizeof piece)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path, errno);
    out.append(piece, static_cast<std::size_t>(n));
    if (out.size() > kLargestEntry) return fail(path + " is larger than an entry of the index may be");
  }
  return out;
}

Result<void> each_name(const std::string& directory, const std::function<void(std::string_view)>& use) {
  const auto close = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> listing(::opendir(directory.c_str()), close);
  if (!listing) return fail_errno("open the folder of records " + directory, errno);
  errno = 0;
  while (const dirent* const entry = ::readdir(listing.get())) use(entry->d_name), errno = 0;
  return errno == 0 ? Result<void>() : fail_errno("list " + directory, errno);
}

bool fits(const IndexEntry& entry, const Query& query) {
  const record::SessionFacts& facts = entry.facts;
  return (query.environment.empty() || facts.environment == query.environment) &&
         (query.user.empty() || facts.user == query.user) &&
         (query.owner.empty() || facts.owner == query.owner) &&
         (!query.since || facts.started_at >= *query.since) &&
         (!query.until || facts.started_at < *query.until);
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno("remove " + path, errno);
}

std::optional<SystemTime> changed_at(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return std::chrono::system_clock::from_time_t(info.st_mtim.tv_sec);
}

std::uint64_t size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

}  // namespace

std::string new_id(SystemTime now) {
  static constexpr char kLetters[] = "0123456789abcdefghjkmnpqrstvwxyz";
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  std::string out(text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%S-", &parts));
  for (int i = 0; i < 10; ++i) out += kLetters[::randombytes_uniform(32)];
  return out;
}

bool is_id(std::string_view text) {
  return text.size() >= 3 && text.size() <= 64 && text[0] != '-' && text.find('-') != text.npos &&
         std::all_of(text.begin(), text.end(), is_id_byte);
}

std::optional<SystemTime> parse_timestamp(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kShape.size() || text.size() > 40 || text.back() != 'Z') return std::nullopt;
  for (std::size_t i = 0; i < kShape.size(); ++i)
    if (kShape[i] == 'd' ? !is_digit(text[i]) : text[i] != kShape[i]) return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char c : text.substr(at, size)) value = value * 10 + (c - '0');
    return value;
  };
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  if (parts.tm_mon > 11 || parts.tm_mon < 0 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
      parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
    return std::nullopt;
  std::string_view fraction = text.substr(kShape.size(), text.size() - kShape.size() - 1);
  std::chrono::milliseconds millis{0};
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2) return std::nullopt;
    fraction.remove_prefix(1);
    if (!std::all_of(fraction.begin(), fraction.end(), is_digit)) return std::nullopt;
    int scale = 100;
    for (std::size_t i = 0; i < std::min<std::size_t>(3, fraction.size()); ++i, scale /= 10)
      millis += std::chrono::milliseconds((fraction[i] - '0') * scale);
  }
  return std::chrono::system_clock::from_time_t(::timegm(&parts)) + millis;
}

std::string to_json(const IndexEntry& entry) {
  const record::SessionFacts& facts = entry.facts;
  Json json;
  json["id"] = facts.session;
  json["environment"] = facts.environment;
  json["user"] = facts.user;
  json["owner"] = facts.owner;
  json["source"] = facts.source;
  json["target"] = facts.target;
  json["method"] = facts.method;
  json["started"] = record::timestamp_of(facts.started_at);
  if (entry.ended)
    json["ended"] = record::timestamp_of(*entry.ended);
  else
    json["session"] = entry.number;
  json["reason"] = entry.reason;
  if (!entry.incomplete.empty()) json["incomplete"] = entry.incomplete;
  json["bytes_to_target"] = entry.bytes_to_target;
  json["bytes_to_client"] = entry.bytes_to_client;
  json["bytes"] = entry.bytes;
  json["files"] = entry.files;
  // A user's name may be any bytes.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<IndexEntry> parse_entry(std::string_view text) {
  return record::guarded([&]() -> Result<IndexEntry> {
    const Json json = Json::parse(text);
    IndexEntry entry;
    record::SessionFacts& facts = entry.facts;
    facts.session = json.at("id").get<std::string>();
    facts.environment = json.at("environment").get<std::string>();
    facts.user = json.at("user").get<std::string>();
    facts.owner = json.at("owner").get<std::string>();
    facts.source = json.at("source").get<std::string>();
    facts.target = json.at("target").get<std::string>();
    facts.method = json.at("method").get<std::string>();
    const auto started = parse_timestamp(json.at("started").get<std::string>());
    if (!started || !is_id(facts.session)) return fail("no entry of the index of records");
    facts.started_at = *started;
    if (json.contains("ended")) entry.ended = parse_timestamp(json["ended"].get<std::string>());
    entry.number = json.value("session", std::uint64_t{0});
    entry.reason = json.value("reason", "");
    entry.incomplete = json.value("incomplete", "");
    entry.bytes_to_target = json.value("bytes_to_target", std::uint64_t{0});
    entry.bytes_to_client = json.value("bytes_to_client", std::uint64_t{0});
    entry.bytes = json.value("bytes", std::uint64_t{0});
    entry.files = json.value("files", std::vector<std::string>());
    // Names from a file: nothing but the session's own may be opened or removed for it.
    std::erase_if(entry.files, [&](const std::string& name) { return !is_file_of(facts.session, name); });
    return entry;
  });
}

Result<void> write_entry(const std::string& directory, const IndexEntry& entry, Durable durable) {
  return record::guarded([&]() -> Result<void> {
    const std::string& id = entry.facts.session;
    if (!is_id(id)) return fail("'" + id + "' is no id of a session", EINVAL);
    const std::string half = directory + "/." + id + std::string(kHalfWritten);
    if (auto written = write_whole(half, to_json(entry) + "\n", durable); !written) {
      ::unlink(half.c_str());
      return written;
    }
    const std::string path = path_of(directory, id);
    if (::rename(half.c_str(), path.c_str()) != 0) return fail_errno("rename to " + path, errno);
    if (durable == Durable::no) return {};
    const Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0) return fail_errno("fsync " + directory, errno);
    return {};
  });
}

Result<IndexEntry> read_entry(const std::string& directory, const std::string& id) {
  if (!is_id(id)) return fail("'" + id + "' is no id of a recorded session", ENOENT);
  auto text = read_whole(path_of(directory, id));
  if (!text) return tl::unexpected(text.error());
  auto entry = parse_entry(*text);
  if (!entry) return fail(path_of(directory, id) + ": " + entry.error().message);
  if (entry->facts.session != id) return fail(path_of(directory, id) + ": is the entry of another session");
  return entry;
}

Result<std::vector<std::string>> list_ids(const std::string& directory) {
  std::vector<std::string> ids;
  auto listed = each_name(directory, [&](std::string_view name) {
    if (!name.ends_with(kSuffix)) return;
    name.remove_suffix(kSuffix.size());
    if (is_id(name)) ids.emplace_back(name);
  });
  if (!listed) return tl::unexpected(listed.error());
  std::sort(ids.begin(), ids.end(), std::greater<>());
  return ids;
}

Result<Page> list_entries(const std::string& directory, const Query& query) {
  auto ids = list_ids(directory);
  if (!ids) return tl::unexpected(ids.error());
  auto at = query.after.empty()
                ? ids->begin()
                : std::upper_bound(ids->begin(), ids->end(), query.after, std::greater<std::string>());
  Page page;
  for (std::size_t read = 0; at != ids->end(); ++at, ++read) {
    if (page.entries.size() >= query.limit || read >= kMostRead) {
      page.next = *std::prev(at);
      break;
    }
    // Gone since, or broken: the others are listed all the same.
    if (auto entry = read_entry(directory, *at); entry && fits(*entry, query))
      page.entries.push_back(std::move(*entry));
  }
  return page;
}

Result<void> remove_entry(const std::string& directory, const IndexEntry& entry) {
  for (const std::string& name : entry.files)
    for (const std::string& file : {name, name + std::string(record::kChainSuffix)})
      if (auto removed = remove_file(directory + "/" + file); !removed) return removed;
  return remove_file(path_of(directory, entry.facts.session));
}

bool is_file_of(std::string_view id, std::string_view name) {
  if (!name.starts_with(id)) return false;
  name.remove_prefix(id.size());
  if (name == ".jsonl") return true;
  if (!name.starts_with('-') || !name.ends_with(".cast")) return false;
  const std::string_view channel = name.substr(1, name.size() - 6);
  return !channel.empty() && channel.size() <= 10 && std::all_of(channel.begin(), channel.end(), is_digit);
}

Result<std::size_t> close_cut_off(const std::string& directory) {
  std::vector<std::string> records, half_written;
  auto listed = each_name(directory, [&](std::string_view name) {
    if (name.ends_with(".cast") || name.ends_with(".jsonl")) records.emplace_back(name);
    if (name.starts_with('.') && name.ends_with(kHalfWritten)) half_written.emplace_back(name);
  });
  auto ids = list_ids(directory);
  if (!listed || !ids) return tl::unexpected(listed ? ids.error() : listed.error());
  for (const std::string& name : half_written) ::unlink((directory + "/" + name).c_str());
  std::sort(records.begin(), records.end());
  std::size_t count = 0;
  for (const std::string& id : *ids) {
    auto entry = read_entry(directory, id);
    if (!entry || entry->ended) continue;
    entry->ended = changed_at(path_of(directory, id)).value_or(entry->facts.started_at);
    entry->reason = "cut off";
    entry->files.clear();
    entry->bytes = 0;
    for (auto at = std::lower_bound(records.begin(), records.end(), id);
         at != records.end() && at->starts_with(id); ++at) {
      if (!is_file_of(id, *at)) continue;
      entry->files.push_back(*at);
      entry->bytes += size_of(directory + "/" + *at);
      entry->ended = std::max(*entry->ended, changed_at(directory + "/" + *at).value_or(*entry->ended));
    }
    if (auto written = write_entry(directory, *entry, Durable::yes); !written)
      return tl::unexpected(written.error());
    ++count;
  }
  return count;
}

}  // namespace envgate::ssh::recorder
