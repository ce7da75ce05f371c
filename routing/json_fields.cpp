#include "routing/json_fields.hpp"

#include <algorithm>

#include "base/json_line.hpp"

namespace envgate::routing {

std::string JsonPlace::path() const {
  if (!parent) return "";
  const std::string before = parent->path();
  if (key.empty()) return before + '[' + std::to_string(index) + ']';
  return before.empty() ? std::string(key) : before + '.' + std::string(key);
}

void JsonFields::bad(const JsonPlace& place, std::string_view what) {
  if (!error_.empty()) return;
  const std::string path = place.path();
  error_ = path.empty() ? "route" : path;
  error_.append(": ").append(what);
}

bool JsonFields::object(const JsonPlace& place, std::initializer_list<std::string_view> known) {
  if (!place.exists()) return false;
  if (!place.value->is_object()) {
    bad(place, "is not an object");
    return false;
  }
  if (unknown_ == UnknownKeys::allow) return true;
  for (const auto& [name, value] : place.value->items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      bad({nullptr, &place, name, 0}, "is not a key that a route has here");
      return false;
    }
  }
  return true;
}

bool JsonFields::array(const JsonPlace& place, std::size_t at_most) {
  if (!place.exists()) return false;
  if (!place.value->is_array()) {
    bad(place, "is not a list");
    return false;
  }
  if (place.value->size() <= at_most) return true;
  bad(place, "has " + std::to_string(place.value->size()) + " entries, more than " + std::to_string(at_most));
  return false;
}

bool JsonFields::read_number(const JsonPlace& place, std::uint64_t least, std::uint64_t most,
                             std::string_view what, std::uint64_t& out) {
  if (!place.exists()) return false;
  // A positive whole number, as JSON writes it: neither 80.0 nor "80".
  if (place.value->is_number_unsigned()) {
    out = place.value->get<std::uint64_t>();
    if (out >= least && out <= most) return true;
  }
  std::string shown = place.value->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (shown.size() > 40) shown = shown.substr(0, 40) + "...";
  bad(place, shown + " is not " + std::string(what));
  return false;
}

bool JsonFields::text(const JsonPlace& place, std::size_t at_most, std::string& out) {
  if (!place.exists()) return false;
  const auto* value = place.value->get_ptr<const nlohmann::json::string_t*>();
  if (!value) {
    bad(place, "is not a string");
    return false;
  }
  if (value->size() > at_most) {
    bad(place, "is longer than " + std::to_string(at_most) + " bytes");
    return false;
  }
  out = *value;
  return true;
}

bool JsonFields::flag(const JsonPlace& place, bool& out) {
  if (!place.exists()) return false;
  if (!place.value->is_boolean()) {
    bad(place, "is neither true nor false");
    return false;
  }
  out = place.value->get<bool>();
  return true;
}

std::string JsonFields::quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text.substr(0, 80));
  return out;
}

}  // namespace envgate::routing
