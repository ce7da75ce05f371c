#include "control/machines/table.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>

#include "backends/words.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/machines/pool.hpp"

namespace envgate::control {
namespace {

using nlohmann::json;

constexpr std::size_t kMostMachines = 10'000;

bool is_number(std::string_view key) { return key == "gpus" || key == "cpu" || key == "ssh_port"; }

// CSV and YAML have texts alone: what must be a whole number becomes one, where it is.
json typed(const std::string& key, const std::string& text) {
  unsigned long long value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size() && !text.empty();
  if (whole && (is_number(key) || key == "memory" || key == "disk")) return value;
  return text;
}

// The fields of one record; `at` moves behind it. False: a quote is not closed.
bool take_record(std::string_view text, std::size_t& at, std::vector<std::string>& fields) {
  fields.assign(1, "");
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c != '"')
        fields.back() += c;
      else if (at + 1 < text.size() && text[at + 1] == '"')
        fields.back() += text[++at];
      else
        quoted = false;
    } else if (c == '"' && fields.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '\n') {
      ++at;
      return true;
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  return !quoted;
}

json of_yaml(const YAML::Node& node, const std::string& key = "") {
  if (node.IsScalar()) return typed(key, node.Scalar());
  if (node.IsSequence()) {
    json list = json::array();
    for (const YAML::Node& item : node) list.push_back(of_yaml(item));
    return list;
  }
  if (!node.IsMap()) return nullptr;
  json map = json::object();
  for (const auto& entry : node)
    map[entry.first.as<std::string>()] = of_yaml(entry.second, entry.first.as<std::string>());
  return map;
}

}  // namespace

store::PoolMachine parse_machine(Fields& f, const json& tree, const std::string& at) {
  store::PoolMachine m;
  const Place root{&tree, at};
  if (!tree.is_object()) f.wrong(root, "is not an object");
  if (!f.object(root, {"name", "region", "gpu_model", "gpus", "cpu", "memory", "disk", "price_per_month",
                       "address", "ssh_port", "user", "admin_key", "host_keys", "labels"}))
    return m;
  const auto member = [&](const char* name) { return Fields::member(root, name); };
  for (const char* name : {"name", "address", "admin_key"}) f.missing(member(name));
  f.text(member("name"), 64, m.name);
  f.text(member("region"), 64, m.region);
  f.text(member("gpu_model"), 64, m.gpu_model);
  unsigned long long gpus = 0, cpu = 0, memory = 0, disk = 0, port = 22;
  f.whole(member("gpus"), 0, 64, gpus);
  f.whole(member("cpu"), 0, 65536, cpu);
  f.bytes(member("memory"), memory);
  f.bytes(member("disk"), disk);
  f.whole(member("ssh_port"), 1, 65535, port);
  m.gpus = static_cast<long long>(gpus), m.cpu = static_cast<long long>(cpu);
  m.memory_bytes = static_cast<long long>(memory), m.disk_bytes = static_cast<long long>(disk);
  m.ssh_port = static_cast<long long>(port);
  if (member("price_per_month").exists() && member("price_per_month").value->is_number())
    m.price = member("price_per_month").value->dump();
  else
    f.text(member("price_per_month"), 64, m.price);
  f.text(member("address"), 64, m.address);
  f.text(member("user"), 32, m.admin_user);
  f.text(member("admin_key"), 4096, m.admin_key);
  json keys = json::array();
  for (std::size_t i = 0, count = f.array(member("host_keys"), 16); i < count; ++i) {
    std::string key;
    f.text(Fields::element(member("host_keys"), i), 16384, key);
    keys.push_back(key);
  }
  m.host_keys = write_json(keys);
  if (member("labels").exists()) {
    if (member("labels").value->is_object())
      m.labels = write_json(*member("labels").value);
    else
      f.wrong(member("labels"), "is not an object");
  }
  if (!f.good()) return m;
  store::PoolMachine pinned = m;
  if (keys.empty())
    pinned.host_keys =
        R"(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])";
  if (const auto good = machine_of_row(pinned); !good) f.wrong(root, good.error().message);
  return m;
}

Result<json> read_csv(std::string_view text) {
  std::vector<std::string> head, fields;
  std::size_t at = 0, number = 1;
  if (!take_record(text, at, head)) return fail("line 1: a quote is not closed");
  json list = json::array();
  while (at < text.size()) {
    ++number;
    const std::string line = "record " + std::to_string(number) + ": ";
    if (!take_record(text, at, fields)) return fail(line + "a quote is not closed");
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != head.size())
      return fail(line + "has " + std::to_string(fields.size()) + " fields, and the head has " +
                  std::to_string(head.size()));
    if (list.size() >= kMostMachines) return fail("more than 10000 machines");
    json machine = json::object();
    for (std::size_t i = 0; i < head.size(); ++i) {
      if (fields[i].empty()) continue;
      if (head[i] == "host_key" || head[i] == "host_keys")
        machine["host_keys"].push_back(fields[i]);
      else if (head[i].starts_with("labels."))
        machine["labels"][head[i].substr(7)] = fields[i];
      else
        machine[head[i]] = typed(head[i], fields[i]);
    }
    list.push_back(std::move(machine));
  }
  return list;
}

Result<json> read_yaml(const std::string& text) {
  try {
    const YAML::Node root = YAML::Load(text);
    json tree = of_yaml(root);
    if (tree.is_object() && tree.contains("machines")) tree = tree["machines"];
    if (!tree.is_array()) return fail("it is neither a list of machines nor a map with `machines`");
    if (tree.size() > kMostMachines) return fail("more than 10000 machines");
    return tree;
  } catch (const YAML::Exception& error) {
    return fail("line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
}

}  // namespace envgate::control
