#include "control/cli/env_body.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

#include "control/cli/body_file.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr BodyOption kPlain[] = {
    {"--owner", "/owner"},
    {"--backend", "/backend"},
    {"--image", "/spec/image"},
    {"--cpu", "/spec/cpu", Kind::number},
    {"--memory", "/spec/memory"},
    {"--shm", "/spec/shm"},
    {"--pids", "/spec/pids", Kind::number},
    {"--storage", "/spec/storage"},
    {"--gpu", "/spec/gpu/count", Kind::number},
    {"--gpu-model", "/spec/gpu/model"},
    {"--gpu-mode", "/spec/gpu/mode"},
    {"--ssh-mode", "/spec/ssh/mode"},
    {"--user", "/spec/ssh/user"},
    {"--machine", "/spec/machine"},
    {"--pull", "/spec/pull"},
    {"--registry-user", "/spec/registry/user"},
    {"--node", "/spec/node"},
    {"--start", "/policy/start"},
    {"--force-command", "/policy/ssh/force_command"},
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

tl::unexpected<Refusal> bad(std::string_view option, const std::string& text, const char* wanted) {
  return refuse(std::string(option) + " '" + printable(text) + "' is not " + wanted, kMisuse);
}

// A list that is given by options replaces the file's: it could not be made shorter else.
Asked<void> take_mounts(const Invocation& call, Json& spec) {
  for (const std::string& text : call.values("--mount")) {
    std::vector<std::string> parts = split(text, ':');
    const bool read_only = parts.size() == 4 && parts[3] == "ro";
    const bool good = parts.size() == 3 || read_only || (parts.size() == 4 && parts[3] == "rw");
    if (!good || parts[0].empty() || !parts[2].starts_with('/'))
      return bad("--mount", text, "TYPE:SOURCE:TARGET, :ro behind it or not, such as volume:data:/data");
    spec["mounts"].push_back(
        {{"type", parts[0]}, {"source", parts[1]}, {"target", parts[2]}, {"read_only", read_only}});
  }
  return {};
}

Asked<void> take_ports(const Invocation& call, Json& spec) {
  for (const std::string& text : call.values("--port")) {
    const std::vector<std::string> parts = split(text, ':');
    std::uint16_t port = 0;
    const char* const end = parts[0].data() + parts[0].size();
    const auto read = std::from_chars(parts[0].data(), end, port);
    if (read.ec != std::errc() || read.ptr != end || port == 0 || parts.size() > 3)
      return bad("--port", text, "PORT (1 to 65535), PORT:ACCESS or PORT:ACCESS:SCHEME");
    Json entry = {{"port", port}};
    if (parts.size() > 1) entry["access"] = parts[1];
    if (parts.size() > 2) entry["scheme"] = parts[2];
    spec["ports"].push_back(std::move(entry));
  }
  return {};
}

Asked<void> take_selector(const Invocation& call, Json& spec) {
  for (const std::string& text : call.values("--selector")) {
    const auto pair = key_and_value(text, "--selector");
    if (!pair) return tl::unexpected(pair.error());
    const bool is_number = pair->first == "gpus" || pair->first == "cpu";
    const auto value =
        is_number ? number_of(pair->second, "--selector " + pair->first) : Asked<Json>(Json(pair->second));
    if (!value) return tl::unexpected(value.error());
    spec["selector"][pair->first] = *value;
  }
  return {};
}

Asked<void> take_policy(const Invocation& call, Json& body) {
  bool first_network = true;
  for (const std::string& text : call.values("--policy")) {
    const auto pair = key_and_value(text, "--policy");
    if (!pair) return tl::unexpected(pair.error());
    const auto& [key, value] = *pair;
    Json& policy = body["policy"];
    if (key == "allow_from") {
      if (std::exchange(first_network, false)) policy[key] = Json::array();
      for (const std::string& network : split(value, ',')) policy[key].push_back(network);
    } else if (value == "true" || value == "false") {
      policy[key] = value == "true";
    } else {
      policy[key] = value;
    }
  }
  if (call.has("--share-with")) body["policy"]["shared_with"] = call.values("--share-with");
  if (call.has("--forbid")) body["policy"]["ssh"]["forbid"] = call.values("--forbid");
  if (call.has("--record-input")) body["policy"]["ssh"]["record_input"] = true;
  if (call.has("--keep-volumes")) body["policy"]["volumes"] = "keep";
  return {};
}

Asked<void> take_lists(const Invocation& call, Json& body) {
  Json& spec = body["spec"];
  if (spec.is_null()) spec = Json::object();
  for (const auto& [option, member] :
       {std::pair("--mount", "mounts"), std::pair("--port", "ports"), std::pair("--command", "command")})
    if (call.has(option)) spec[member] = Json::array();
  for (const std::string& word : call.values("--command")) spec["command"].push_back(word);
  for (const std::string& text : call.values("--env")) {
    const auto pair = key_and_value(text, "--env");
    if (!pair) return tl::unexpected(pair.error());
    spec["env"][pair->first] = pair->second;
  }
  Json keys = Json::array();
  for (const std::string& text : call.values("--key")) {
    const auto read = public_keys(text, "--key");
    if (!read) return tl::unexpected(read.error());
    for (const std::string& key : *read) keys.push_back(key);
  }
  if (!keys.empty()) spec["ssh"]["keys"] = std::move(keys);
  for (const auto take : {take_mounts, take_ports, take_selector})
    if (auto taken = take(call, spec); !taken) return taken;
  return take_policy(call, body);
}

Asked<void> take_password(const Invocation& call, Json& body) {
  if (!call.has("--registry-password")) return {};
  auto password = read_file(call.value("--registry-password"));
  if (!password) return tl::unexpected(password.error());
  password->erase(password->find_last_not_of("\r\n") + 1);
  body["spec"]["registry"]["password"] = *password;
  return {};
}

Asked<void> take_options(const Invocation& call, Json& body) try {
  if (auto taken = take_body_options(call, kPlain, body); !taken) return taken;
  if (auto taken = take_lists(call, body); !taken) return taken;
  return take_password(call, body);
} catch (const Json::exception&) {
  return refuse("a member of " + call.value("--file") + " that options add to is neither a map nor a list",
                kMisuse);
}

}  // namespace

Asked<Json> environment_body(const Invocation& call) {
  Json body = Json::object();
  if (call.has("--file")) {
    const std::string path = call.value("--file");
    auto read = read_file(path).and_then([&](const std::string& text) { return parse_body(text, path); });
    if (!read) return read;
    body = std::move(*read);
  }
  if (!call.words.empty()) body["name"] = call.words[0];
  for (const char* const member : {"spec", "policy"})
    if (body.contains(member) && !body[member].is_object())
      return refuse("'" + std::string(member) + "' in " + call.value("--file") + " is not a map", kMisuse);
  if (auto taken = take_options(call, body); !taken) return tl::unexpected(taken.error());
  for (const char* const member : {"name", "owner"})
    if (!body.contains(member))
      return refuse(std::string("a new environment needs ") +
                        (member == std::string_view("name") ? "a NAME" : "an --owner") +
                        "; see envctl env create --help",
                    kMisuse);
  if (!body.contains("backend")) body["backend"] = "docker";
  if (!body.contains("policy")) body["policy"] = Json::object();
  return body;
}

}  // namespace envgate::cli
