#include "base/settings.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/settings_yaml.hpp"

namespace envgate::settings {

std::string SettingError::to_string() const {
  std::string out = place;
  for (const std::string* part : {&key, &message}) {
    if (!out.empty() && !part->empty()) out += ": ";
    out += *part;
  }
  return out;
}

std::string_view layer_name(Layer layer) {
  static constexpr std::string_view kNames[] = {
      "default", "global file", "environment file", "environment variable", "command line", "API"};
  return kNames[static_cast<std::size_t>(layer)];
}

std::string environment_file(const std::string& file, const std::string& environment) {
  const auto slash = file.rfind('/');
  const auto dot = file.rfind('.');
  const bool extension = dot != std::string::npos && dot > (slash == std::string::npos ? 0 : slash + 1);
  return file.substr(0, extension ? dot : std::string::npos) + "." + environment +
         (extension ? file.substr(dot) : std::string(".yaml"));
}

std::string to_line(const Change& change) {
  return change.key + ": " + change.before + " -> " + change.after;
}

std::string to_line(const Explained& explained) {
  std::string out =
      explained.key + " = " + explained.value + "  # " + std::string(layer_name(explained.origin.layer));
  if (!explained.origin.place.empty()) out += ", " + explained.origin.place;
  return out + "\n";
}

std::string to_text(const Explained& explained) {
  std::string from(layer_name(explained.origin.layer));
  if (!explained.origin.place.empty()) from += ", " + explained.origin.place;
  const char* const apply =
      explained.apply == Apply::live ? "in effect at the next reload" : "needs a restart";
  return explained.key + " = " + explained.value + "\n  " + explained.description +      //
         "\n  from:     " + from + "\n  default:  " + explained.default_value +          //
         "\n  expects:  " + explained.expects + "\n  variable: " + explained.variable +  //
         "\n  change:   " + apply + "\n";
}

namespace detail {
namespace {

// What is wrong in more places than this is not a settings file at all; naming each would only take time.
constexpr std::size_t kMaxErrors = 200;

// Reads the layers in order into one struct, so that a later one overwrites an earlier one key by key.
class LayerReader {
 public:
  LayerReader(const KeyTable& table, void* values) : table_(table), values_(values) {
    reading_.origins.resize(table.keys().size());
    reading_.failed.resize(table.keys().size());
  }

  void file(Layer layer, const std::string& path);
  void variables(const Texts& variables);
  void sets(const std::vector<std::string>& sets);
  void api(const Texts& texts);
  void error(std::string place, std::string key, std::string message);
  Reading take() { return std::move(reading_); }

 private:
  struct Seen {
    std::string name;
    int line;
  };
  bool full() const { return reading_.errors.size() > kMaxErrors; }
  void section(Layer layer, const std::string& path, const Node& node, const std::string& prefix,
               std::vector<Seen>& seen);
  void assign(Layer layer, std::size_t index, const Node& node,
              const std::function<std::string(int line)>& place, bool name_key);
  void assign_text(Layer layer, std::size_t index, const std::string& text, const std::string& place,
                   bool name_key);

  const KeyTable& table_;
  void* values_;
  Reading reading_;
};

void LayerReader::error(std::string place, std::string key, std::string message) {
  if (full()) return;
  if (reading_.errors.size() == kMaxErrors)
    return reading_.errors.push_back({"", "", "and more; these come first"});
  reading_.errors.push_back({std::move(place), std::move(key), std::move(message)});
}

void LayerReader::file(Layer layer, const std::string& path) {
  auto text = read_settings_file(path);
  if (!text) return error(path, "", text.error().message);
  auto root = parse_yaml(*text, path);
  if (!root) return error(root.error().place, "", root.error().message);
  if (root->kind == Node::Kind::null) return;
  if (root->kind != Node::Kind::map)
    return error(path + ":" + std::to_string(root->line), "",
                 "expected keys and values, such as 'domain: example.com'");
  std::vector<Seen> seen;
  section(layer, path, *root, "", seen);
}

void LayerReader::section(Layer layer, const std::string& path, const Node& node, const std::string& prefix,
                          std::vector<Seen>& seen) {
  const auto place = [&path](int line) { return path + ":" + std::to_string(line); };
  for (std::size_t i = 0; i < node.items.size() && !full(); ++i) {
    const std::string name = prefix + node.names[i].text;
    const int line = node.names[i].line;
    const std::size_t index = table_.find(name);
    const bool is_section = index == KeyTable::npos && table_.is_section(name);
    if (index == KeyTable::npos && !is_section && table_.is_other_program(name)) continue;
    if (index == KeyTable::npos && !is_section) {
      error(place(line), name, "unknown key" + table_.suggest(name));
      continue;
    }
    const auto earlier =
        std::find_if(seen.begin(), seen.end(), [&](const Seen& s) { return s.name == name; });
    if (earlier != seen.end()) {
      error(place(line), name, "given twice; first on line " + std::to_string(earlier->line));
      continue;
    }
    seen.push_back({name, line});
    Node value = node.items[i];
    if (value.kind == Node::Kind::null) value.line = line;  // yaml-cpp puts it where the next token stands
    if (!is_section)
      assign(layer, index, value, place, true);
    else if (value.kind == Node::Kind::map)
      section(layer, path, value, name + ".", seen);
    else if (value.kind != Node::Kind::null)  // a section whose keys are all commented out is an empty one
      error(place(value.line), name, "is a section: expected keys below it, indented");
  }
}

void LayerReader::assign(Layer layer, std::size_t index, const Node& node,
                         const std::function<std::string(int line)>& place, bool name_key) {
  const Key& key = table_.keys()[index];
  const Report report = [&](const Node& at, const std::string& below, std::string message) {
    error(place(at.line), name_key || !below.empty() ? key.name + below : "", std::move(message));
  };
  if (key.read(node, values_, report))
    reading_.origins[index] = {layer, place(node.line)};
  else
    reading_.failed[index] = true;
}

// In a variable or on the command line there is no YAML around the value: a scalar is the text as it stands,
// and a list is "a,b,c" or a YAML flow list "[a, b]".
void LayerReader::assign_text(Layer layer, std::size_t index, const std::string& text,
                              const std::string& place, bool name_key) {
  const Key& key = table_.keys()[index];
  Node node;
  node.kind = Node::Kind::scalar;
  node.scalar = text;
  if (key.shape == Shape::list && text.starts_with('[')) {
    auto parsed = parse_yaml(text, place);
    if (!parsed) {
      reading_.failed[index] = true;
      return error(place, name_key ? key.name : "", parsed.error().message);
    }
    node = std::move(*parsed);
  } else if (key.shape == Shape::list) {
    node.kind = Node::Kind::list;
    for (std::size_t start = 0; !text.empty() && start <= text.size();) {
      const auto comma = std::min(text.find(',', start), text.size());
      Node item;
      item.kind = Node::Kind::scalar;
      const auto first = text.find_first_not_of(" \t", start);
      if (first < comma)
        item.scalar = text.substr(first, text.find_last_not_of(" \t", comma - 1) + 1 - first);
      node.items.push_back(std::move(item));
      start = comma + 1;
    }
  }
  assign(
      layer, index, node, [&place](int) { return place; }, name_key);
}

void LayerReader::variables(const Texts& variables) {
  for (const auto& [name, value] : variables) {
    const std::size_t index = table_.find_variable(name);
    if (index != KeyTable::npos)
      assign_text(Layer::variable, index, value, name, true);
    else if (table_.claims_variable(name, value))
      error(name, "", "no setting has this variable" + table_.suggest_variable(name));
  }
}

void LayerReader::sets(const std::vector<std::string>& sets) {
  for (const std::string& set : sets) {
    const auto equals = set.find('=');
    const std::string name = set.substr(0, equals);
    const std::size_t index = table_.find(name);
    if (equals == std::string::npos) {
      error("--set " + name, "", "expected KEY=VALUE");
    } else if (index == KeyTable::npos) {
      // The value is not repeated: it may be a secret meant for a key that was misspelt.
      error(
          "--set " + name, "",
          table_.is_section(name) ? "is a section: name a key in it" : "unknown key" + table_.suggest(name));
    } else {
      const bool secret = table_.keys()[index].secret;
      assign_text(Layer::command_line, index, set.substr(equals + 1),
                  "--set " + (secret ? name + "=***" : set), false);
    }
  }
}

void LayerReader::api(const Texts& texts) {
  for (const auto& [name, value] : texts) {
    const std::size_t index = table_.find(name);
    if (index == KeyTable::npos)
      error("API", name, "unknown key" + table_.suggest(name));
    else if (table_.keys()[index].apply == Apply::restart)
      error("API", name, "needs a restart: set it in the file, and restart");
    else
      assign_text(Layer::api, index, value, "API", true);
  }
}

Explained explain_key(const KeyTable& table, std::size_t index, const void* values, const void* defaults,
                      const std::vector<Origin>& origins) {
  const Key& key = table.keys()[index];
  return {key.name,    key.show(values), origins[index],         key.show(defaults),
          key.expects, key.description,  table.variable_of(key), key.apply};
}

}  // namespace

Reading read_layers(const KeyTable& table, const Sources& sources, void* values) {
  LayerReader reader(table, values);
  if (!sources.file.empty()) reader.file(Layer::global_file, sources.file);
  const std::string& name = sources.environment;
  static constexpr const char* kNameBytes =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (!name.empty() && name.find_first_not_of(kNameBytes) != std::string::npos)
    reader.error("", "", "the environment '" + name + "' is not a name: letters, digits, - and _");
  else if (!name.empty() && sources.file.empty())
    reader.error("", "",
                 "the environment '" + name + "' needs a configuration file beside which its own can stand");
  else if (!name.empty())
    reader.file(Layer::environment_file, environment_file(sources.file, name));
  reader.variables(sources.variables);
  reader.sets(sources.sets);
  reader.api(sources.api);
  return reader.take();
}

Complain complain_into(const KeyTable& table, Reading& reading, std::string suffix) {
  return [&table, &reading, suffix](std::initializer_list<std::string_view> keys, std::string message) {
    std::string place;
    for (const std::string_view key : keys) {
      const std::size_t index = table.find(key);
      CHECK(index != KeyTable::npos);
      if (reading.failed[index]) return;
      if (place.empty()) place = reading.origins[index].place;
    }
    reading.errors.push_back({std::move(place), std::string(*keys.begin()), std::move(message) + suffix});
  };
}

Changes compare(const KeyTable& table, const void* before, const void* after) {
  Changes changes;
  for (const Key& key : table.keys()) {
    if (key.equal(before, after)) continue;
    auto& list = key.apply == Apply::live ? changes.live : changes.restart;
    Change change{key.name, key.show(before), key.show(after)};
    if (change.before == change.after) change.after += " (another secret)";
    list.push_back(std::move(change));
  }
  return changes;
}

void keep_restart_keys(const KeyTable& table, const void* running, const std::vector<Origin>& running_origins,
                       void* values, std::vector<Origin>& origins) {
  for (std::size_t i = 0; i < table.keys().size(); ++i) {
    const Key& key = table.keys()[i];
    if (key.apply == Apply::live || key.equal(running, values)) continue;
    key.copy(running, values);
    origins[i] = running_origins[i];
  }
}

Result<std::vector<Explained>> explain(const KeyTable& table, const std::string& name, const void* values,
                                       const void* defaults, const std::vector<Origin>& origins) {
  std::vector<Explained> out;
  for (std::size_t i = 0; i < table.keys().size(); ++i) {
    const std::string& key = table.keys()[i].name;
    if (name.empty() || key == name || key.starts_with(name + "."))
      out.push_back(explain_key(table, i, values, defaults, origins));
  }
  if (out.empty()) return fail("unknown key '" + name + "'" + table.suggest(name));
  return out;
}

}  // namespace detail
}  // namespace envgate::settings
