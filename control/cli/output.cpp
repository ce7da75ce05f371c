#include "control/cli/output.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

const Json* find(const Json& entry, std::string_view path) {
  const Json::json_pointer pointer{std::string(path)};
  if (!entry.contains(pointer)) return nullptr;
  const Json& found = entry.at(pointer);
  const bool empty = found.is_null() || (found.is_string() && found.get_ref<const std::string&>().empty());
  return empty ? nullptr : &found;
}

const Json* find_first(const Json& entry, std::string_view paths) {
  while (!paths.empty()) {
    const std::string_view path = paths.substr(0, paths.find('|'));
    if (const Json* const found = find(entry, path)) return found;
    paths.remove_prefix(std::min(paths.size(), path.size() + 1));
  }
  return nullptr;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    char text[32];
    return {text, static_cast<std::size_t>(std::snprintf(text, sizeof(text), "%g", value.get<double>()))};
  }
  if (!value.is_structured()) return value.dump();
  std::string out;
  for (const auto& [name, item] : value.items()) {
    const std::string text = text_of(item);
    if (item.is_structured() && text.empty()) continue;
    out += (out.empty() ? "" : ", ") + (value.is_object() ? name + "=" : "") + text;
  }
  return out;
}

std::string bytes_of(const Json& value) {
  const bool is_size = value.is_number_unsigned() || (value.is_number_integer() && value >= 0);
  return is_size ? human_bytes(value.get<std::uint64_t>()) : text_of(value);
}

// "2026-02-02T10:30:00Z" as how long ago that is; what is no time, as it is.
std::string age_of(const std::string& time) {
  std::tm parts{};
  if (!::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &parts)) return time;
  return human_seconds(std::max(0.0, std::difftime(std::time(nullptr), ::timegm(&parts))));
}

std::string cell(const Json& entry, const Column& column, bool in_table) {
  const Json* const found = find_first(entry, column.path);
  const auto shown = [&](const Json& value) {
    return column.as == As::bytes || column.as == As::used_bytes ? bytes_of(value) : text_of(value);
  };
  if (column.as == As::used || column.as == As::used_bytes) {
    const Json* const used = find(entry, std::string("/used") + column.path);
    if (!found) return used ? shown(*used) : "";
    return (used ? shown(*used) + " of " : "") + shown(*found);
  }
  if (!found) return "";
  return column.as == As::age && in_table ? age_of(text_of(*found)) : shown(*found);
}

// DEL and C1, which JSON allows and some terminals obey, in JSON's own escapes.
std::string harmless(const std::string& json) {
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const auto next = i + 1 < json.size() ? static_cast<unsigned char>(json[i + 1]) : 0;
    if (byte == 0x7f) {
      out += "\\u007f";
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      static constexpr char kHex[] = "0123456789abcdef";
      out.append("\\u00").append(1, kHex[next >> 4]).append(1, kHex[next & 15]);
      ++i;
    } else {
      out += json[i];
    }
  }
  return out;
}

// What YAML 1.1 and 1.2 alike read as this text and nothing else, without quotes.
bool is_plain(const std::string& text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !(letter(text[0]) || text[0] == '/') || text.back() == ':' || text.back() == ' ')
    return false;
  static constexpr std::string_view kInside = "-_./+@ ";
  const bool known = std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || (c != 0 && kInside.find(c) != std::string_view::npos);
  });
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  static constexpr std::string_view kWords[] = {"y",    "n",     "yes",  "no",  "on", "off",
                                                "true", "false", "null", "nan", "inf"};
  return known && std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords);
}

void emit(YAML::Emitter& out, const Json& json) {
  if (json.is_object()) {
    out << (json.empty() ? YAML::Flow : YAML::Block) << YAML::BeginMap;
    for (const auto& [name, value] : json.items()) {
      out << YAML::Key;
      emit(out, Json(name));
      out << YAML::Value;
      emit(out, value);
    }
    out << YAML::EndMap;
  } else if (json.is_array()) {
    out << (json.empty() ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
    for (const Json& item : json) emit(out, item);
    out << YAML::EndSeq;
  } else if (json.is_string()) {
    const std::string text = json.get<std::string>();
    if (!is_plain(text)) out << YAML::DoubleQuoted << YAML::EscapeNonAscii;
    out << text;
  } else if (json.is_null()) {
    out << YAML::Null;
  } else {
    out << json.dump();  // true, 1.5: the same in both
  }
}

}  // namespace

Asked<Format> format_of(const Invocation& call) {
  static constexpr std::pair<std::string_view, Format> kFormats[] = {
      {"table", Format::table}, {"wide", Format::wide}, {"json", Format::json}, {"yaml", Format::yaml}};
  const std::string wanted = call.value("--output", "table");
  for (const auto& [name, format] : kFormats)
    if (name == wanted) return format;
  return refuse("--output '" + wanted + "' is none of table, wide, json and yaml; see envctl " +
                    std::string(call.command->path) + " --help",
                kMisuse);
}

std::string cell_of(const Json& entry, const Column& column) { return cell(entry, column, true); }

std::string_view state_paint(std::string_view state) {
  static constexpr std::pair<std::string_view, std::string_view> kPaints[] = {
      {"running", "32"},     {"done", "32"},     {"available", "32"}, {"ready", "32"},
      {"true", "32"},        {"ok", "32"},       {"failed", "31"},    {"unreachable", "31"},
      {"quarantined", "31"}, {"false", "31"},    {"FAIL", "31"},      {"OK", "32"},
      {"WARN", "33"},        {"stopped", "2"},   {"deleted", "2"},    {"maintenance", "2"},
      {"creating", "33"},    {"starting", "33"}, {"stopping", "33"},  {"deleting", "33"},
      {"pending", "33"},     {"draining", "33"}, {"cleaning", "33"},  {"verifying", "33"},
      {"allocated", "36"}};
  for (const auto& [name, paint] : kPaints)
    if (name == state) return paint;
  return "";
}

std::string list_text(const Json& list, const ListShape& shape, Format format, bool colour) {
  if (format == Format::json) return to_json(list);
  if (format == Format::yaml) return to_yaml(list);
  const Json& entries = list.at(shape.member);
  if (entries.empty()) return std::string(shape.none) + "\n";
  std::vector<const Column*> columns;
  std::vector<Table::Column> titles;
  for (const Column& column : shape.columns) {
    if (column.wide && format != Format::wide) continue;
    columns.push_back(&column);
    const bool number = column.as == As::bytes || column.as == As::age;
    titles.push_back({column.title, number ? Table::Align::right : Table::Align::left,
                      column.as == As::state ? state_paint : nullptr});
  }
  Table table(std::move(titles));
  for (const Json& entry : entries) {
    std::vector<std::string> cells;
    for (const Column* const column : columns) cells.push_back(cell(entry, *column, true));
    table.add(std::move(cells));
  }
  return table.to_text(colour);
}

std::string entry_text(const Json& entry, std::span<const Column> lines, Format format, bool colour) {
  if (format == Format::json) return to_json(entry);
  if (format == Format::yaml) return to_yaml(entry);
  std::size_t width = 0;
  for (const Column& line : lines) width = std::max(width, std::string_view(line.title).size() + 2);
  std::string out;
  for (const Column& line : lines) {
    if (line.wide && format != Format::wide) continue;
    const std::string value = printable(cell(entry, line, false));
    if (value.empty()) continue;
    std::string label = line.title;
    label.resize(width, ' ');
    out += label + (colour && line.as == As::state ? painted(value, state_paint(value)) : value) + "\n";
  }
  return out;
}

std::string to_json(const Json& json) {
  return harmless(json.dump(2, ' ', false, Json::error_handler_t::replace)) + "\n";
}

std::string to_json_line(const Json& json) {
  return harmless(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string to_yaml(const Json& json) {
  YAML::Emitter out;
  emit(out, json);
  return std::string(out.c_str()) + "\n";
}

Asked<void> print_list(const Invocation& call, const Json& list, const ListShape& shape) {
  const auto format = format_of(call);
  if (!format) return tl::unexpected(format.error());
  print(stdout, list_text(list, shape, *format, wants_colour(stdout)));
  return {};
}

Asked<void> print_entry(const Invocation& call, const Json& entry, std::span<const Column> lines) {
  const auto format = format_of(call);
  if (!format) return tl::unexpected(format.error());
  print(stdout, entry_text(entry, lines, *format, wants_colour(stdout)));
  return {};
}

Asked<void> print_answer(const Invocation& call, const Asked<Json>& answer, std::span<const Column> lines) {
  return answer ? print_entry(call, *answer, lines) : tl::unexpected(answer.error());
}

}  // namespace envgate::cli
