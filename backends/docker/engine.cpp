#include "backends/docker/engine.hpp"

#include <algorithm>

#include "backends/docker/names.hpp"

namespace envgate::backends::docker {
namespace {

constexpr std::size_t kMostList = 64u << 20;

struct Known {
  std::string_view words;  // in the engine's message
  Cause cause;
  std::string_view remedy;
};

// In this order: the first that fits.
const Known kKnown[] = {
    {"no space left on device", Cause::exhausted,
     "free space where the engine keeps its data, or prune images"},
    {"port is already allocated", Cause::conflict,
     "another program has the node's port: choose another port"},
    {"address already in use", Cause::conflict, "another program has the node's port: choose another port"},
    {"non-overlapping ipv4 address pool", Cause::exhausted,
     "the engine has no network left: give it more in default-address-pools of its daemon.json"},
    {"is ambiguous", Cause::failed, "two controllers made it at once: at the next try one of them is left"},
    {"could not select device driver", Cause::invalid,
     "install the GPU vendor's container toolkit on the node"},
    {"range of cpus", Cause::invalid, "the node has fewer cores: ask for less, or take another node"},
    {"no such image", Cause::missing, "correct the image's name, or let it be pulled"},
    {"manifest unknown", Cause::missing, "the registry has no such tag or digest: correct the image's name"},
    {"not found: manifest", Cause::missing,
     "the registry has no such tag or digest: correct the image's name"},
    {"no basic auth credentials", Cause::denied, "give the registry's user and password"},
    {"unauthorized", Cause::denied, "the registry's user or password is missing or wrong"},
    {"pull access denied", Cause::denied,
     "the image is not there, or needs the registry's user and password"},
    {"no such host", Cause::unreachable, "the engine cannot resolve the registry's name: check its DNS"},
    {"connection refused", Cause::unreachable, "the registry does not answer the engine: check its address"},
    {"i/o timeout", Cause::unreachable, "the registry does not answer the engine: check its address"},
    {"executable file not found", Cause::invalid,
     "the image lacks the program: correct the command or the image"},
};

Cause cause_of(int status) {
  switch (status) {
    case 400: return Cause::invalid;
    case 401:
    case 403: return Cause::denied;
    case 404: return Cause::missing;
    case 409: return Cause::conflict;
    case 503: return Cause::unreachable;
    default: return Cause::failed;
  }
}

}  // namespace

int parse_api_version(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return 0;
  const std::uint64_t major = whole_number(text.substr(0, dot)), minor = whole_number(text.substr(dot + 1));
  if (major == 0 || major > 9 || minor > 999) return 0;
  return static_cast<int>(major * 1000 + minor);
}

tl::unexpected<Failure> refusal(int status, std::string_view reason, const std::string& doing) {
  std::string lower(reason);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  for (const Known& known : kKnown) {
    if (lower.find(known.words) == std::string::npos) continue;
    return failure(known.cause, doing + ": " + excerpt(reason) + ": " + std::string(known.remedy));
  }
  return failure(cause_of(status), doing + ": the engine refused" +
                                       (status != 0 ? " (" + std::to_string(status) + ")" : std::string()) +
                                       ": " +
                                       (reason.empty() ? "without a reason; see its log" : excerpt(reason)));
}

tl::unexpected<Failure> refusal(const Response& response, const std::string& doing) {
  const auto body = parse_json(response.body);
  if (!body) return refusal(response.status, response.body, doing);
  const std::string reason = text_at(*body, {"message"});
  return refusal(response.status, reason.empty() ? text_at(*body, {"cause"}) : reason,
                 doing);  // Podman's own
}

std::string label_filter(const json& labels) {
  json wanted = json::array();
  for (const auto& [name, value] : labels.items()) wanted.push_back(name + '=' + value.get<std::string>());
  return "filters=" + percent_encode(to_text({{"label", wanted}}));
}

template <typename T>
Outcome<T> Engine::watched(Outcome<T> outcome) {
  if (!outcome && outcome.error().cause == Cause::unreachable) {
    const std::lock_guard lock(mutex_);
    prefix_.clear();
  }
  return outcome;
}

Outcome<std::string> Engine::negotiate(const Call& call) {
  auto ping = transport_.send({"GET", "/_ping", "", {}, 4096, {}}, call);
  if (!ping) return tl::unexpected(std::move(ping.error()));
  std::string version = ping->api_version;
  if (version.empty()) {
    auto told = transport_.send({"GET", "/version", "", {}, 256u << 10, {}}, call);
    if (!told) return tl::unexpected(std::move(told.error()));
    const auto body = parse_json(told->body);
    if (body) version = text_at(*body, {"ApiVersion"});
  }
  const int server = parse_api_version(version);
  if (server == 0) {
    return failure(Cause::failed, "what answers at " + transport_.shown() +
                                      " is not a container engine (status " + std::to_string(ping->status) +
                                      " to /_ping): correct the address");
  }
  if (server < kOldest) {
    return failure(Cause::invalid, "the engine at " + transport_.shown() + " speaks API " +
                                       excerpt(version, 16) +
                                       ", and 1.40 is the oldest that works: update it");
  }
  return "/v1." + std::to_string(std::min(server, kNewest) % 1000);
}

Outcome<std::string> Engine::prefix(const Call& call) {
  {
    const std::lock_guard lock(mutex_);
    if (!prefix_.empty()) return prefix_;
  }
  auto negotiated = negotiate(call);  // not under the lock: it may take its time
  if (!negotiated) return negotiated;
  const std::lock_guard lock(mutex_);
  prefix_ = *negotiated;
  return prefix_;
}

Outcome<Response> Engine::send(Request request, const Call& call) {
  auto before = prefix(call);
  if (!before) return tl::unexpected(std::move(before.error()));
  request.path.insert(0, *before);
  return watched(transport_.send(request, call));
}

Outcome<Response> Engine::converse(Request request, const Secret& input, const Call& call) {
  auto before = prefix(call);
  if (!before) return tl::unexpected(std::move(before.error()));
  request.path.insert(0, *before);
  return watched(transport_.converse(request, input, call));
}

Outcome<json> Engine::parse(const Response& response, const std::string& doing) {
  if (response.body.empty()) return json();
  auto value = parse_json(response.body);
  if (!value) return failure(Cause::failed, doing + ": the engine's answer is not JSON: is it an engine?");
  return std::move(*value);
}

Outcome<std::optional<json>> Engine::find(const std::string& path, const std::string& doing,
                                          const Call& call) {
  auto response = send({"GET", path, "", {}, 4u << 20, {}}, call);
  if (!response) return tl::unexpected(std::move(response.error()));
  if (response->status == 404) return std::optional<json>();
  if (response->status != 200) return refusal(*response, doing);
  auto value = parse(*response, doing);
  if (!value) return tl::unexpected(std::move(value.error()));
  return std::optional<json>(std::move(*value));
}

Outcome<json> Engine::list(const std::string& path, const std::string& doing, const Call& call) {
  auto response = send({"GET", path, "", {}, kMostList, {}}, call);
  if (!response) return tl::unexpected(std::move(response.error()));
  if (response->status != 200) return refusal(*response, doing);
  return parse(*response, doing);
}

Outcome<void> Engine::list_each(const std::string& path, const std::string& doing,
                                const std::function<void(json&&)>& take, const Call& call) {
  auto response = send({"GET", path, "", {}, kMostList, {}}, call);
  if (!response) return tl::unexpected(std::move(response.error()));
  if (response->status != 200) return refusal(*response, doing);
  if (parse_each(response->body, take)) return {};
  return failure(Cause::failed, doing + ": the engine's answer is not a list: is it an engine?");
}

Outcome<json> Engine::post(const std::string& path, const json& body, const std::string& doing,
                           const Call& call) {
  auto response = send({"POST", path, body.is_null() ? "" : to_text(body), {}, 4u << 20, {}}, call);
  if (!response) return tl::unexpected(std::move(response.error()));
  if (response->status == 304) return json();
  if (response->status < 200 || response->status > 299) return refusal(*response, doing);
  // Podman says "OK" where Docker says nothing.
  const std::string& text = response->body;
  if (text.empty() || text[0] != '{') return json();
  return parse(*response, doing);
}

Outcome<void> Engine::remove(const std::string& path, const std::string& doing, const Call& call) {
  auto response = send({"DELETE", path, "", {}, 1u << 20, {}}, call);
  if (!response) return tl::unexpected(std::move(response.error()));
  if (response->status == 404 || (response->status >= 200 && response->status < 300)) return {};
  return refusal(*response, doing);
}

}  // namespace envgate::backends::docker
