// The Engine API as calls: the version negotiated, JSON in and out, a refusal made into a message with its
// remedy. Thread: any.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "backends/docker/json.hpp"
#include "backends/docker/transport.hpp"

namespace envgate::backends::docker {

// "1.41" as 1041. 0: not a version.
int parse_api_version(std::string_view text);

// Why the engine refused, told with what we were doing: "start environment abc: ...".
tl::unexpected<Failure> refusal(const Response& response, const std::string& doing);
tl::unexpected<Failure> refusal(int status, std::string_view reason, const std::string& doing);

// A list's `filters` parameter: labels that all must be there.
std::string label_filter(const json& labels);

class Engine {
 public:
  static constexpr int kOldest = 1040, kNewest = 1043;  // Docker 19.03 and Podman 4 know 1.40

  explicit Engine(Transport& transport) : transport_(transport) {}

  // Nothing: 404. `doing` begins every message.
  Outcome<std::optional<json>> find(const std::string& path, const std::string& doing, const Call& call);
  Outcome<json> list(const std::string& path, const std::string& doing, const Call& call);
  // For long ones: each of its objects.
  Outcome<void> list_each(const std::string& path, const std::string& doing,
                          const std::function<void(json&&)>& take, const Call& call);
  // POST; the answer's JSON, or null where it has none. 304 (already so) is success.
  Outcome<json> post(const std::string& path, const json& body, const std::string& doing, const Call& call);
  // DELETE; 404 is success.
  Outcome<void> remove(const std::string& path, const std::string& doing, const Call& call);

  // Any request; only the version is put before its path.
  Outcome<Response> send(Request request, const Call& call);
  Outcome<Response> converse(Request request, const Secret& input, const Call& call);

 private:
  Outcome<std::string> prefix(const Call& call);  // "/v1.41"
  Outcome<std::string> negotiate(const Call& call);
  Outcome<json> parse(const Response& response, const std::string& doing);
  template <typename T>
  Outcome<T> watched(Outcome<T> outcome);
  Transport& transport_;
  std::mutex mutex_;
  std::string prefix_;  // empty: not negotiated, or the engine went away and may come back as another
};

}  // namespace envgate::backends::docker
