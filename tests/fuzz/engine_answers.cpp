// All that a container engine may send: a hijacked stream's head and frames, a pull's report, inspections and
// lists.
#include "backends/docker/curl_stream.hpp"
#include "backends/docker/exec_frames.hpp"
#include "backends/docker/observe.hpp"
#include "backends/docker/pull_stream.hpp"
#include "base/check.hpp"

using namespace envgate;
using namespace envgate::backends::docker;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Settings local = [] {
    Settings settings;
    settings.install = "test";
    return settings;
  }();
  static const Settings remote = [] {
    Settings settings = local;
    settings.node_address = *IpAddress::parse("192.0.2.7");
    return settings;
  }();

  const auto head = parse_stream_head(text);
  if (head && *head) CHECK((*head)->size <= size && (*head)->status >= 100);
  const auto output = parse_exec_frames(text);
  if (output) CHECK(output->out.size() + output->err.size() <= size);

  PullStream whole({}), cut({});
  const bool good = whole.feed(text);
  CHECK((cut.feed(text.substr(0, size / 2)) && cut.feed(text.substr(size / 2))) == good);
  CHECK(cut.error() == whole.error());

  json each = json::array();
  const bool is_list = parse_each(text, [&](json&& element) { each.push_back(std::move(element)); });
  if (is_list) {
    json objects = json::array();
    const auto list = parse_json(text);
    for (const json& element : *list)
      if (element.is_object()) objects.push_back(element);
    CHECK(each == objects);
  }

  if (const auto value = parse_json(text)) {
    CHECK(is_list == value->is_array());
    for (const Settings* settings : {&local, &remote}) {
      const auto seen = observed_of(*settings, *backends::EnvId::parse("demo"), *value);
      CHECK(seen.state == backends::State::running || !seen.address);
      const auto listed = listed_of(*settings, *value);
      if (listed) CHECK(!listed->environment.empty());
    }
    (void)gpu_use_of(*value);
    (void)image_digest_of(*value, "app");
    CHECK(parse_json(to_text(*value)).has_value());
  }
  return 0;
}
