// Reads a request's JSON and collects everything that is wrong with it, by pointer (RFC 6901), so that a
// customer mends it once. Includes nlohmann: for .cpp files only. Thread: one.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "control/problem.hpp"

namespace envgate::control {

struct Place {
  const nlohmann::json* value;  // null: not there, or JSON's null
  std::string pointer;
  bool exists() const { return value != nullptr; }
};

class Fields {
 public:
  std::vector<WrongField> errors;

  bool good() const { return errors.empty(); }
  void wrong(const Place& place, std::string message) {
    errors.push_back({place.pointer, std::move(message)});
  }

  static Place root(const nlohmann::json& value) { return {&value, ""}; }
  static Place member(const Place& object, std::string_view name);
  static Place element(const Place& array, std::size_t index);

  // False: not there, or not an object. Members that are not among `known` are wrong.
  bool object(const Place& place, std::initializer_list<std::string_view> known);
  // The number of elements; 0 where it is not there or wrong.
  std::size_t array(const Place& place, std::size_t most);

  // Each leaves `out` as it is where the field is not there or is wrong.
  void text(const Place& place, std::size_t most, std::string& out);
  void flag(const Place& place, bool& out);
  void whole(const Place& place, unsigned long long least, unsigned long long most, unsigned long long& out);
  // A whole number of bytes, or a text such as "16GiB".
  void bytes(const Place& place, unsigned long long& out);
  // Cores, as a number with up to three decimals: 0.5 is 500. `most` is in thousandths, too.
  void millis(const Place& place, unsigned long long most, unsigned long long& out);
  template <typename T>
  void choice(const Place& place, std::initializer_list<std::pair<std::string_view, T>> words, T& out) {
    if (!place.exists()) return;
    std::string name, all;
    const auto before = errors.size();
    text(place, 64, name);
    if (errors.size() != before) return;
    for (const auto& [word, value] : words) {
      if (word == name) {
        out = value;
        return;
      }
      all.append(all.empty() ? "" : ", ").append(word);
    }
    wrong(place, "is none of " + all);
  }
  void missing(const Place& place) {
    if (!place.exists()) wrong(place, "is missing");
  }
};

// Nothing: it is not JSON, nested too deep, or names a field of an object twice. Never throws.
std::optional<nlohmann::json> read_json(std::string_view text);
std::string write_json(const nlohmann::json& value);  // bytes that are not UTF-8 become U+FFFD

}  // namespace envgate::control
