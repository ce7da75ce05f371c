// Reads typed fields out of a JSON tree and remembers the first thing wrong with its path: what the parser of
// routes is written in. Includes nlohmann: for .cpp files only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "routing/route_json.hpp"

namespace envgate::routing {

// A place in the tree. The path is only put together when there is something to say about it.
struct JsonPlace {
  const nlohmann::json* value;  // null: not there
  const JsonPlace* parent = nullptr;
  std::string_view key = {};
  std::size_t index = 0;

  JsonPlace field(std::string_view name) const {
    const auto found = value->find(name);
    return {found == value->end() || found->is_null() ? nullptr : &*found, this, name, 0};
  }
  JsonPlace element(std::size_t i) const { return {&(*value)[i], this, {}, i}; }
  bool exists() const { return value != nullptr; }
  std::string path() const;
};

class JsonFields {
 public:
  explicit JsonFields(UnknownKeys unknown) : unknown_(unknown) {}

  bool good() const { return error_.empty(); }
  const std::string& error() const { return error_; }
  void bad(const JsonPlace& place, std::string_view what);

  // An object with no other keys than these, if unknown ones are refused.
  bool object(const JsonPlace& place, std::initializer_list<std::string_view> known);
  bool array(const JsonPlace& place, std::size_t at_most);
  // Each leaves `out` as it is where the field is not there.
  template <typename T>
  void number(const JsonPlace& place, std::uint64_t least, std::uint64_t most, std::string_view what,
              T& out) {
    std::uint64_t value = 0;
    if (read_number(place, least, most, what, value)) out = static_cast<T>(value);
  }
  void port(const JsonPlace& place, std::uint16_t& out) {
    number(place, 1, 65535, "a port (1 to 65535)", out);
  }
  bool text(const JsonPlace& place, std::size_t at_most, std::string& out);
  bool flag(const JsonPlace& place, bool& out);
  template <typename T>
  void choice(const JsonPlace& place, std::initializer_list<T> choices, T& out) {
    std::string name, all;
    if (!text(place, 64, name)) return;
    for (const T value : choices) {
      if (to_string(value) == name) {
        out = value;
        return;
      }
      all.append(all.empty() ? "" : ", ").append(to_string(value));
    }
    bad(place, quoted(name) + " is none of " + all);
  }

  static std::string quoted(std::string_view text);

 private:
  bool read_number(const JsonPlace& place, std::uint64_t least, std::uint64_t most, std::string_view what,
                   std::uint64_t& out);
  UnknownKeys unknown_;
  std::string error_;
};

// The parser of routes on a tree that is there already, such as a YAML file's.
Result<RouteSpec> parse_route_tree(const EnvId& env, const nlohmann::json& tree, UnknownKeys unknown);

}  // namespace envgate::routing
