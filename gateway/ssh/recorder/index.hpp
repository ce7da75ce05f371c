// The index of recorded sessions: DIRECTORY/ID.json for each, written by rename when it begins, when a file
// of it begins, and when it ends. One without "ended" was cut off by a crash. Whoever lists records reads
// these; no list is kept in memory. Thread: any; calls block as the disk does.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "record/session_facts.hpp"

namespace envgate::ssh::recorder {

using SystemTime = std::chrono::system_clock::time_point;

// "20261125T131051-c4k2m9x7qa": begins with the time, so that names in their order are sessions in theirs.
std::string new_id(SystemTime now);
// 3 to 64 of [A-Za-z0-9_-], with a '-' that is not the first: no number of a session, no environment's id.
bool is_id(std::string_view text);
// Of RFC 3339, in UTC alone: "2026-11-25T13:10:51Z", with a fraction or without.
std::optional<SystemTime> parse_timestamp(std::string_view text);

struct IndexEntry {
  record::SessionFacts facts;  // facts.session is the id
  std::uint64_t number = 0;    // of the gateway's session, while it is open
  std::optional<SystemTime> ended;
  std::string reason;                                      // why it ended
  std::string incomplete;                                  // why not all of it was recorded; else empty
  std::uint64_t bytes_to_target = 0, bytes_to_client = 0;  // of channels that have ended
  std::uint64_t bytes = 0;                                 // of the records that have ended
  std::vector<std::string> files;                          // "ID.jsonl", "ID-1.cast"; without chains
};

std::string to_json(const IndexEntry& entry);  // an object, without a newline
// Errors: no such entry.
Result<IndexEntry> parse_entry(std::string_view json);

enum class Durable : std::uint8_t { no, yes };  // yes: on the disk when it returns
Result<void> write_entry(const std::string& directory, const IndexEntry& entry, Durable durable);
// Errors: code ENOENT where there is none; it cannot be read.
Result<IndexEntry> read_entry(const std::string& directory, const std::string& id);
// Newest first. Errors: the folder.
Result<std::vector<std::string>> list_ids(const std::string& directory);

struct Query {
  std::string environment, user, owner;  // empty: any
  std::optional<SystemTime> since, until;
  std::string after;  // an id: those that come behind it in the list
  std::size_t limit = 100;
};
struct Page {
  std::vector<IndexEntry> entries;
  std::string next;  // the `after` of the next page; empty: this is the last
};
// Newest first. A page may be short though more come: no call reads more than kMostRead entries.
inline constexpr std::size_t kMostRead = 20'000;
Result<Page> list_entries(const std::string& directory, const Query& query);

// Record and chain of each of its files, then the entry. What is gone is no error.
Result<void> remove_entry(const std::string& directory, const IndexEntry& entry);

// Whether `name` is a file that the session may have: "ID.jsonl", "ID-7.cast".
bool is_file_of(std::string_view id, std::string_view name);
// Closes entries that a crash has left open, with "cut off" and the files that are there, and removes
// half-written ones. Requires: nobody records into the folder. Returns how many there were.
Result<std::size_t> close_cut_off(const std::string& directory);

}  // namespace envgate::ssh::recorder
