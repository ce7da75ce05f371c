// What the gateway answers, as people read it. Every function takes the answer's JSON and returns text that
// ends with a newline. Throws where the JSON is not what this version of the API sends (nlohmann's own
// exceptions, which main turns into a message). Thread: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace envgate::cli {

// A problem document (RFC 9457), or any other refusal: one line for each thing there is to say.
std::string problem_view(int status, std::string_view body);

std::string status_view(std::string_view json);
std::string health_view(std::string_view json);
std::string route_view(std::string_view json);
std::string settings_view(std::string_view json);  // one key, or a list of them
std::string changes_view(std::string_view json);   // after reload, set and unset
std::string ssh_keys_view(std::string_view json);  // lines of known_hosts, comments and all
std::string killed_view(std::string_view json);
std::string drain_view(std::string_view json);

// The same JSON, indented.
std::string pretty(std::string_view json);
// Prometheus' text format as {"samples": [{"name", "labels", "value"}]}.
std::string metrics_as_json(std::string_view exposition);
// {"value": "..."}
std::string value_body(std::string_view value);

// A listing that comes in pages.
class Listing {
 public:
  virtual ~Listing() = default;
  // Takes a page; returns the cursor of the next, empty after the last.
  virtual std::string add(std::string_view page) = 0;
  virtual std::size_t size() const = 0;
  // What to print of the entries taken so far and not printed yet; `last` ends it.
  virtual std::string take(bool last) = 0;
};
std::unique_ptr<Listing> routes_table();
std::unique_ptr<Listing> sessions_table();
std::unique_ptr<Listing> listing_as_json(std::string member);  // "routes"

}  // namespace envgate::cli
