#include "control/lifecycle/fields.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/units.hpp"

namespace envgate::control {

using nlohmann::json;

namespace {

constexpr int kMaxDepth = 32;

std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

}  // namespace

Place Fields::member(const Place& object, std::string_view name) {
  Place place{nullptr, object.pointer + "/" + escaped(name)};
  if (!object.value || !object.value->is_object()) return place;
  const auto found = object.value->find(name);
  if (found != object.value->end() && !found->is_null()) place.value = &*found;
  return place;
}

Place Fields::element(const Place& array, std::size_t index) {
  return {&(*array.value)[index], array.pointer + "/" + std::to_string(index)};
}

bool Fields::object(const Place& place, std::initializer_list<std::string_view> known) {
  if (!place.exists()) return false;
  if (!place.value->is_object()) {
    wrong(place, "is not an object");
    return false;
  }
  for (const auto& [name, value] : place.value->items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      errors.push_back({place.pointer + "/" + escaped(name), "is not a field that is known here"});
  }
  return true;
}

std::size_t Fields::array(const Place& place, std::size_t most) {
  if (!place.exists()) return 0;
  if (!place.value->is_array()) {
    wrong(place, "is not a list");
    return 0;
  }
  if (place.value->size() <= most) return place.value->size();
  wrong(place, "has more than " + std::to_string(most) + " entries");
  return 0;
}

void Fields::text(const Place& place, std::size_t most, std::string& out) {
  if (!place.exists()) return;
  const auto* value = place.value->get_ptr<const json::string_t*>();
  if (!value) return wrong(place, "is not a text");
  if (value->size() > most) return wrong(place, "is longer than " + std::to_string(most) + " bytes");
  if (value->find('\0') != std::string::npos) return wrong(place, "has a zero byte");
  out = *value;
}

void Fields::flag(const Place& place, bool& out) {
  if (!place.exists()) return;
  if (!place.value->is_boolean()) return wrong(place, "is neither true nor false");
  out = place.value->get<bool>();
}

void Fields::whole(const Place& place, unsigned long long least, unsigned long long most,
                   unsigned long long& out) {
  if (!place.exists()) return;
  if (place.value->is_number_unsigned() ||
      (place.value->is_number_integer() && place.value->get<long long>() >= 0)) {
    const auto value = place.value->get<unsigned long long>();
    if (value >= least && value <= most) {
      out = value;
      return;
    }
  }
  wrong(place, "is not a whole number from " + std::to_string(least) + " to " + std::to_string(most));
}

void Fields::bytes(const Place& place, unsigned long long& out) {
  constexpr unsigned long long kMost = 1ULL << 60;
  if (!place.exists()) return;
  if (!place.value->is_string()) return whole(place, 0, kMost, out);
  const auto size = parse_bytes(place.value->get_ref<const std::string&>());
  if (!size) return wrong(place, size.error().message);
  if (size->count > kMost) return wrong(place, "is more than 1024 PiB");
  out = size->count;
}

void Fields::millis(const Place& place, unsigned long long most, unsigned long long& out) {
  if (!place.exists()) return;
  const double cores = place.value->is_number() ? place.value->get<double>() : -1;
  const double thousandths = std::round(cores * 1000);
  if (!(cores >= 0 && thousandths <= static_cast<double>(most)) ||
      std::abs(thousandths - cores * 1000) > 1e-6)
    return wrong(place, "is not a number of cores from 0 to " + std::to_string(most / 1000) +
                            " with at most three decimals");
  out = static_cast<unsigned long long>(thousandths);
}

std::optional<json> read_json(std::string_view text) {
  using Event = json::parse_event_t;
  bool wrong = false;
  // Of the objects that are open. Readers differ in which of two equal names they take (RFC 8259, 4).
  std::vector<std::set<std::string>> names;
  const json::parser_callback_t watch = [&](int depth, Event event, json& value) {
    wrong = wrong || depth > kMaxDepth;
    if (wrong) return false;
    if (event == Event::object_start) names.emplace_back();
    if (event == Event::object_end) names.pop_back();
    if (event == Event::key) wrong = !names.back().insert(value.get<std::string>()).second;
    return !wrong;
  };
  json tree = json::parse(text, watch, false);
  if (wrong || tree.is_discarded()) return std::nullopt;
  return tree;
}

std::string write_json(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace envgate::control
