#include "control/cli/event_commands.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/cli/environment_name.hpp"
#include "control/cli/sse.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr int kAttempts = 6;                           // in a row, without an event between them
constexpr std::chrono::milliseconds kFirstPause{200};  // doubled each time
constexpr std::chrono::seconds kQuiet{1};              // after which what was kept has been told

constexpr Option kEnvironment{"--env", 'e', "ENV", "only of this environment"};
constexpr Option kFollow{"--follow", 0, "", "go on with what happens from now, until interrupted"};
constexpr Option kOptions[] = {kFollow, kEnvironment, kSince, kOutput, kControlSocket, kTimeout};

std::string padded(std::string text, std::size_t width) {
  const std::size_t shown = display_width(text);
  return text.append(shown < width ? width - shown : 0, ' ');
}

// A line for an event: nothing can be aligned with what has not happened yet.
std::string event_text(const ServerEvent& event, Format format) {
  const Json json = Json::parse(event.data, nullptr, false);
  if (!json.is_object()) return printable(event.id + " " + event.type + " " + event.data) + "\n";
  if (format == Format::json) return to_json_line(json) + "\n";
  if (format == Format::yaml) return "---\n" + to_yaml(json);
  static constexpr Column kAt{"", "/at|/created_at"}, kOf{"", "/environment"}, kKind{"", "/kind"},
      kBody{"", "/body"};
  std::string body = cell_of(json, kBody);
  if (body == "null") body.clear();
  std::string line = padded(printable(cell_of(json, kAt)), 20) + "  " +
                     padded(printable(cell_of(json, kOf)), 16) + "  " +
                     padded(printable(cell_of(json, kKind)), 20) + "  " + printable(body);
  if (format == Format::wide) line = padded(printable(event.id), 8) + "  " + line;
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

struct Wanted {
  std::string target, since;
  bool follow = false;
  Format format = Format::table;
};

// Whoever reads slowly is cut off by control, and begins again where it was: so does this.
Asked<void> tell(const ControlClient& client, Wanted wanted) {
  auto pause = kFirstPause;
  bool heard = false;
  for (int attempt = 1;; ++attempt, pause *= 2) {
    HttpRequest request = client.request("GET", wanted.target);
    request.headers.emplace_back("Accept", "text/event-stream");
    if (!wanted.since.empty()) request.headers.emplace_back("Last-Event-ID", wanted.since);
    SseReader reader;
    bool understood = true;
    Stream stream;
    if (!wanted.follow) stream.quiet = kQuiet;
    stream.take = [&](std::string_view piece) {
      const auto events = reader.feed(piece);
      understood = events.has_value();
      if (!understood) return false;
      for (const ServerEvent& event : *events) {
        print(stdout, event_text(event, wanted.format));
        wanted.since =
            event.id.find_first_not_of("0123456789") == std::string::npos ? event.id : wanted.since;
        attempt = 0;
        pause = kFirstPause;
      }
      return std::fflush(stdout) == 0;
    };
    const auto ended = request_stream(client.socket(), request, stream);
    if (ended && ended->first.status >= 300) return tl::unexpected(refusal_of(ended->first));
    if (!understood) return refuse("these are no events; is envgate-control of another version?");
    if (ended && ended->second == StreamEnd::enough) return refuse("cannot write to standard output");
    if (!wanted.follow && ended) return {};
    // Where nobody was there to begin with, nobody is waited for.
    if (!ended && !heard && !ended.error().broke_off) return tl::unexpected(refusal_of(ended.error()));
    heard = heard || ended;
    if (attempt >= kAttempts)
      return refuse(ended ? client.socket() + ": envgate-control ends the stream of events again and again"
                          : ended.error().message);
    std::this_thread::sleep_for(pause);
  }
}

Asked<void> run(const Invocation& call, const ControlClient& client, const std::string& environment,
                bool follow) {
  Wanted wanted{"/api/events", call.value("--since"), follow, *format_of(call)};
  if (const auto since = whole_number(call, "--since", 0, 0); !since) return tl::unexpected(since.error());
  // Without a number control begins with what happens now.
  if (!follow && wanted.since.empty()) wanted.since = "0";
  if (!environment.empty()) {
    const auto id = environment_id(client, environment);
    if (!id) return tl::unexpected(id.error());
    wanted.target += "?environment=" + encode_segment(*id);
  }
  return tell(client, std::move(wanted));
}

Asked<void> run_events(const Invocation& call, const ControlClient& client) {
  return run(call, client, call.value("--env"), call.has("--follow"));
}

constexpr Command kCommands[] = {
    {"events", "", 0, 0, kOptions, "Say what has happened, and with --follow what happens",
     "\nWithout --follow: the events that control keeps, or those after --since, and no more.\n",
     with_control<run_events>},
};

}  // namespace

Asked<void> run_env_events(const Invocation& call, const ControlClient& client) {
  return run(call, client, call.words[0], true);
}

std::span<const Command> event_commands() { return kCommands; }

}  // namespace envgate::cli
