#include "backends/docker/json.hpp"

#include <charconv>

namespace envgate::backends::docker {
namespace {

bool too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::optional<json> parse_json(std::string_view text) {
  if (too_deep(text)) return std::nullopt;
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

bool parse_each(std::string_view text, const std::function<void(json&&)>& take) {
  if (too_deep(text)) return false;
  const auto keep = [&](int depth, json::parse_event_t event, json& element) {
    if (depth != 1 || event != json::parse_event_t::object_end) return true;
    take(std::move(element));
    return false;
  };
  return json::parse(text, keep, false).is_array();
}

std::string to_text(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

const json& at(const json& value, std::initializer_list<std::string_view> path) {
  static const json null;
  const json* here = &value;
  for (const std::string_view key : path) {
    if (!here->is_object()) return null;
    const auto found = here->find(key);
    if (found == here->end()) return null;
    here = &*found;
  }
  return *here;
}

std::string text_at(const json& value, std::initializer_list<std::string_view> path) {
  const json& found = at(value, path);
  return found.is_string() ? found.get<std::string>() : std::string();
}

std::uint64_t number_at(const json& value, std::initializer_list<std::string_view> path) {
  const json& found = at(value, path);
  return found.is_number_unsigned() ? found.get<std::uint64_t>() : 0;
}

bool flag_at(const json& value, std::initializer_list<std::string_view> path) {
  const json& found = at(value, path);
  return found.is_boolean() && found.get<bool>();
}

std::uint64_t whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

}  // namespace envgate::backends::docker
