// Answers as people and programs read them. A table is data: columns that say where in an entry a cell comes
// from; the same columns are the lines of a single entry. -o json and -o yaml give the API's own object.
// Whatever a terminal could take for a command is made harmless in all of them. Thread: main's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "control/cli/control_client.hpp"

namespace envgate::cli {

enum class Format : std::uint8_t { table, wide, json, yaml };

inline constexpr Option kOutput{"--output", 'o', "table|wide|json|yaml",
                                "table, for people (the default), wide for more of it,\n"
                                "                            json or yaml, for programs"};
inline constexpr Option kLimit{"--limit", 'n', "N", "at most so many"};

// Errors: misuse.
Asked<Format> format_of(const Invocation& call);

enum class As : std::uint8_t {
  text,   // lists by commas, maps as k=v
  bytes,  // "16 GiB"
  age,    // a time, as how long ago; alone, as it is
  state,  // in colour
  used,   // "3 of 8": the other half below /used
  used_bytes,
};

struct Column {
  const char* title;
  const char* path;  // RFC 6901; "/a|/b": the first that is there and not empty
  As as = As::text;
  bool wide = false;  // only with -o wide
};

struct ListShape {
  const char* member;  // "environments"
  std::span<const Column> columns;
  const char* none;  // what is said instead of an empty table
};

// Text that ends with a newline.
std::string list_text(const Json& list, const ListShape& shape, Format format, bool colour);
std::string entry_text(const Json& entry, std::span<const Column> lines, Format format, bool colour);
std::string to_json(const Json& json);       // indented
std::string to_json_line(const Json& json);  // without a newline
std::string to_yaml(const Json& json);

// The same, to standard output, in the format that the call asks for.
Asked<void> print_list(const Invocation& call, const Json& list, const ListShape& shape);
Asked<void> print_entry(const Invocation& call, const Json& entry, std::span<const Column> lines);
// The same of an answer; a refusal is handed on.
Asked<void> print_answer(const Invocation& call, const Asked<Json>& answer, std::span<const Column> lines);

std::string cell_of(const Json& entry, const Column& column);
std::string_view state_paint(std::string_view state);  // for Table::Column

}  // namespace envgate::cli
