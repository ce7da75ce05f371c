#include "control/cli/body_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr std::size_t kLargestFile = 4u << 20;
constexpr std::size_t kMostNodes = 200'000;  // far more than a file of that size has without aliases
constexpr int kMaxDepth = 32;

std::optional<Json> number(const std::string& text) {
  const char* const end = text.data() + text.size();
  const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
  long long whole = 0;
  if (const auto read = std::from_chars(begin, end, whole); read.ec == std::errc() && read.ptr == end)
    return Json(whole);
  double real = 0;
  const auto read = std::from_chars(begin, end, real);
  // from_chars also reads "inf", "nan" and "infinity", which YAML writes otherwise and JSON not at all.
  if (read.ec == std::errc() && read.ptr == end && std::isfinite(real)) return Json(real);
  return std::nullopt;
}

Json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return text;  // quoted, or tagged: a text
  if (text == "null" || text == "Null" || text == "NULL" || text == "~" || text.empty()) return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (auto read = number(text)) return *read;
  return text;
}

class Converter {
 public:
  Json convert(const YAML::Node& node, bool texts, int depth) {
    if (++nodes_ > kMostNodes || depth > kMaxDepth)
      throw YAML::Exception(node.Mark(), "nested too deeply, or grown by aliases");
    switch (node.Type()) {
      case YAML::NodeType::Map: return map(node, texts, depth);
      case YAML::NodeType::Sequence: {
        Json list = Json::array();
        for (const YAML::Node& item : node) list.push_back(convert(item, texts, depth + 1));
        return list;
      }
      case YAML::NodeType::Scalar: return texts ? Json(node.Scalar()) : scalar(node);
      default: return nullptr;
    }
  }

 private:
  Json map(const YAML::Node& node, bool texts, int depth) {
    Json object = Json::object();
    for (const auto& member : node) {
      if (!member.first.IsScalar()) throw YAML::Exception(member.first.Mark(), "a key that is not a text");
      const std::string& name = member.first.Scalar();
      if (object.contains(name)) throw YAML::Exception(member.first.Mark(), "'" + name + "' is there twice");
      object[name] = convert(member.second, texts || name == "env" || name == "labels", depth + 1);
    }
    return object;
  }
  std::size_t nodes_ = 0;
};

}  // namespace

Asked<std::string> read_file(const std::string& path) {
  const auto close = [](std::FILE* file) { return file == stdin ? 0 : std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(
      path == "-" ? stdin : std::fopen(path.c_str(), "rbe"), close);
  if (!file) return refuse(path + ": " + std::strerror(errno));
  std::string text, piece(64 * 1024, '\0');
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), file.get())) {
    text.append(piece, 0, got);
    if (text.size() > kLargestFile) return refuse(path + ": larger than 4 MiB");
  }
  if (std::ferror(file.get())) return refuse(path + ": cannot be read: " + std::strerror(errno));
  return text;
}

Asked<Json> parse_body(const std::string& text, const std::string& source) {
  Json body;
  if (const std::size_t first = text.find_first_not_of(" \t\r\n"); first != text.npos && text[first] == '{')
    body = Json::parse(text, nullptr, false);
  if (body.is_null() || body.is_discarded()) {  // YAML's own flow style begins like that too
    try {
      body = Converter().convert(YAML::Load(text), false, 0);
    } catch (const YAML::Exception& problem) {
      return refuse(source + ":" + std::to_string(problem.mark.line + 1) + ": " + printable(problem.msg),
                    kMisuse);
    }
  }
  if (!body.is_object()) return refuse(source + ": a map is expected, such as `name: training`", kMisuse);
  return body;
}

Asked<std::pair<std::string, std::string>> key_and_value(const std::string& text, std::string_view option) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == text.npos)
    return refuse(std::string(option) + " '" + printable(text) + "' is not KEY=VALUE", kMisuse);
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Asked<Json> number_of(const std::string& text, std::string_view option) {
  if (auto read = number(text)) return *read;
  return refuse(std::string(option) + " '" + printable(text) + "' is not a number", kMisuse);
}

Asked<void> take_body_options(const Invocation& call, std::span<const BodyOption> options, Json& body) {
  for (const BodyOption& option : options) {
    if (!call.has(option.option)) continue;
    const std::string text = call.value(option.option);
    Json value = text;
    if (option.kind == Kind::number) {
      const auto read = number_of(text, option.option);
      if (!read) return tl::unexpected(read.error());
      value = *read;
    }
    body[Json::json_pointer(option.path)] = std::move(value);
  }
  return {};
}

Asked<std::vector<std::string>> public_keys(const std::string& file_or_text, std::string_view option) {
  const bool is_text = file_or_text.find(' ') != std::string::npos &&
                       (file_or_text.starts_with("ssh-") || file_or_text.starts_with("ecdsa-") ||
                        file_or_text.starts_with("sk-"));
  const auto text = is_text ? Asked<std::string>(file_or_text) : read_file(file_or_text);
  if (!text) return tl::unexpected(text.error());
  if (text->find("PRIVATE KEY") != std::string::npos)
    return refuse(std::string(option) + " " + file_or_text + " is a private key: its .pub beside it is meant",
                  kMisuse);
  std::vector<std::string> keys;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    std::string line = text->substr(at, end - at);
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty() && line[0] != '#') keys.push_back(std::move(line));
    at = end + 1;
  }
  if (keys.empty()) return refuse(std::string(option) + " " + file_or_text + " has no key in it", kMisuse);
  return keys;
}

}  // namespace envgate::cli
