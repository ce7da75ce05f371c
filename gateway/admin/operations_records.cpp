// Records of audited sessions: listed from their index, shown with what their chains say, and read in ranges.
// Works on the folder itself, so that old records can be read where none can be made.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "base/units.hpp"
#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/gateway.hpp"
#include "gateway/ssh/recorder/index.hpp"
#include "gateway/ssh/recorder/recorder.hpp"
#include "record/chained_file.hpp"
#include "record/verify.hpp"

namespace envgate::admin {
namespace {

namespace recorder = ssh::recorder;
using recorder::IndexEntry;

constexpr std::uint64_t kDefaultRecords = 100, kMostRecords = 1000;
constexpr std::uint64_t kDefaultRange = 1 << 20, kLargestRange = 4 << 20;
constexpr std::uint64_t kLargestVerified = 256u << 20;  // bytes: about half a second

std::string directory_of(Context& context) {
  const recorder::Recorder* const running = context.gateway.recorder();
  return running ? running->directory() : context.gateway.snapshot()->values.audit.records.directory;
}

std::string text_of(const Request& request, std::string_view name) {
  const std::string* const value = request.parameter(name);
  return value ? *value : std::string();
}

// "2026-11-25T13:10:51Z", or "2h": so long ago.
Wanted<std::optional<recorder::SystemTime>> time_of(const Request& request, std::string_view name) {
  const std::string* const text = request.parameter(name);
  if (!text) return std::nullopt;
  if (const auto time = recorder::parse_timestamp(*text)) return time;
  if (const auto ago = parse_duration(*text)) return std::chrono::system_clock::now() - *ago;
  return tl::unexpected(problem(400,
                                std::string(name) + ": '" + *text +
                                    "' is neither a time, such as 2026-01-31T23:59:00Z, nor how long ago, "
                                    "such as 2h",
                                name));
}

Wanted<IndexEntry> entry_of(const std::string& directory, const std::string& id) {
  auto entry = recorder::read_entry(directory, id);
  if (entry) return std::move(*entry);
  if (entry.error().code == ENOENT)
    return tl::unexpected(problem(404, "there is no record " + id + ": it may have been removed", "id"));
  return tl::unexpected(problem(500, entry.error().message));
}

std::uint64_t size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

void write_verdict(JsonWriter& json, const std::string& path, const std::optional<record::PublicKey>& key) {
  const auto verdict = record::verify_file(path, key);
  if (!verdict) {
    json.text("state", verdict.error().code == ENOENT ? "missing" : "unreadable");
    json.text("verdict", verdict.error().message).boolean("good", false);
    return;
  }
  const char* const states[] = {"whole", "cut_off", "changed"};
  // What is still written has no end yet.
  json.text("state", verdict->open && verdict->state == record::State::cut_off
                         ? "open"
                         : states[static_cast<std::size_t>(verdict->state)]);
  json.text("verdict", verdict->words()).boolean("good", verdict->good());
}

}  // namespace

Response get_records(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({"env", "user", "owner", "since", "until", "after", "limit"}))
    return *refused;
  const auto limit = request.number("limit", 1, kMostRecords, kDefaultRecords);
  if (!limit) return limit.error();
  const auto since = time_of(request, "since"), until = time_of(request, "until");
  if (!since || !until) return since ? until.error() : since.error();
  recorder::Query query{
      text_of(request, "env"),   text_of(request, "user"),        text_of(request, "owner"), *since, *until,
      text_of(request, "after"), static_cast<std::size_t>(*limit)};
  const auto page = recorder::list_entries(directory_of(context), query);
  const bool none = !page && page.error().code == ENOENT;  // nothing was ever recorded
  if (!page && !none) return problem(500, page.error().message);
  JsonWriter json;
  json.begin_object().key("records").begin_array();
  if (page)
    for (const IndexEntry& entry : page->entries) json.raw(recorder::to_json(entry));
  json.end_array().key("next");
  if (page && !page->next.empty())
    json.text(page->next);
  else
    json.null();
  json.end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

Response get_record(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({"verify"})) return *refused;
  const std::string directory = directory_of(context);
  const auto entry = entry_of(directory, request.name);
  if (!entry) return entry.error();
  const recorder::Recorder* const running = context.gateway.recorder();
  const auto key = running ? running->public_key() : std::nullopt;
  std::uint64_t total = 0;
  for (const std::string& name : entry->files) total += size_of(directory + "/" + name);
  const bool verify = text_of(request, "verify") != "no" && total <= kLargestVerified;
  JsonWriter json;
  json.begin_object().key("record").raw(recorder::to_json(*entry));
  json.boolean("open", running && running->is_open(request.name));
  json.key("key");
  key ? json.text(record::to_hex(*key)) : json.null();
  json.key("files").begin_array();
  for (const std::string& name : entry->files) {
    json.begin_object().text("name", name).number("bytes", size_of(directory + "/" + name));
    if (verify) write_verdict(json, directory + "/" + name, key);
    json.end_object();
  }
  json.end_array().boolean("verified", verify).end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

Response get_record_file(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({"from", "size"})) return *refused;
  const auto from = request.number("from", 0, std::uint64_t{1} << 50, 0);
  const auto size = request.number("size", 1, kLargestRange, kDefaultRange);
  if (!from || !size) return from ? size.error() : from.error();
  const std::string& id = request.segments[2];
  std::string_view record = request.name;
  if (record.ends_with(record::kChainSuffix)) record.remove_suffix(record::kChainSuffix.size());
  if (!recorder::is_id(id) || !recorder::is_file_of(id, record))
    return problem(404, "record " + id + " has no file " + request.name, "name");
  const std::string path = directory_of(context) + "/" + request.name;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return problem(404, "record " + id + " has no file " + request.name, "name");
  if (!fd) return problem(500, fail_errno("open " + path, errno).value().message);
  log::info("record_read")
      .text("file", request.name)
      .number("uid", request.caller.uid)
      .number("pid", request.caller.pid);
  Response response{200, "application/octet-stream", std::string(*size, '\0'), {}};
  std::size_t got = 0;
  while (got < *size) {
    const ssize_t n =
        ::pread(fd.get(), response.body.data() + got, *size - got, static_cast<off_t>(*from + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return problem(500, fail_errno("read " + path, errno).value().message);
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  response.body.resize(got);
  return response;
}

Response delete_record(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const std::string directory = directory_of(context);
  const auto entry = entry_of(directory, request.name);
  if (!entry) return entry.error();
  const recorder::Recorder* const running = context.gateway.recorder();
  if (!entry->ended || (running && running->is_open(request.name)))
    return problem(409, "record " + request.name + " is still being written: end its session first", "id");
  if (const auto removed = recorder::remove_entry(directory, *entry); !removed)
    return problem(500, removed.error().message);
  JsonWriter json;
  json.begin_object().text("removed", request.name).end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

}  // namespace envgate::admin
