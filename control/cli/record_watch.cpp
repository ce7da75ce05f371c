#include "control/cli/record_watch.hpp"

#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "control/cli/sse.hpp"
#include "control/cli/table.hpp"
#include "control/cli/views.hpp"
#include "record/terminal_filter.hpp"

namespace envgate::cli {
namespace {

// The main screen; margins, colours and the cursor as they were.
constexpr char kRestore[] = "\x1b[?1049l\x1b[!p\x1b[0m\x1b[?25h\r\n";

void restore_and_exit(int) {
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, kRestore, sizeof kRestore - 1);
  ::_exit(kOk);
}
void just_exit(int) { ::_exit(kOk); }

class Watcher {
 public:
  explicit Watcher(const WatchOptions& options) : options_(options), channel_(options.channel) {}

  // False: the session has ended.
  bool take(const ServerEvent& event) {
    const Json json = Json::parse(event.data, nullptr, false);
    if (!json.is_object()) return true;
    if (event.type == "output") output(json.at("channel").get<std::size_t>(), json.at("data"));
    if (event.type == "lost")
      complain("too slow: " + human_bytes(json.at("bytes").get<std::uint64_t>()) + " were passed over", kOk);
    if (event.type != "end") return true;
    std::fflush(stdout);
    complain("the session has ended: " + printable(json.at("reason").get<std::string>()), kOk);
    return false;
  }
  bool on_alternate_screen() const { return filter_.on_alternate_screen(); }

 private:
  void output(std::size_t channel, const std::string& data) {
    if (channel_ == 0) channel_ = channel;
    if (channel != channel_) {
      if (told_.size() < 100 && told_.insert(channel).second)
        complain("another terminal is open: --terminal " + std::to_string(channel) + " shows it", kOk);
      return;
    }
    print(stdout, options_.raw ? data : filter_.take(data));
    std::fflush(stdout);
  }

  const WatchOptions options_;
  std::size_t channel_;
  std::set<std::size_t> told_;
  record::TerminalFilter filter_;
};

}  // namespace

Asked<void> watch(const std::string& socket, const std::string& id, const WatchOptions& options) {
  const bool terminal = is_terminal(stdout);
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, terminal ? restore_and_exit : just_exit);
  HttpRequest request;
  request.target = "/api/sessions/" + encode_segment(id) + "/watch";
  SseReader reader;
  Watcher watcher(options);
  bool understood = true, ended = false;
  Stream stream;
  stream.take = [&](std::string_view piece) {
    const auto events = reader.feed(piece);
    understood = events.has_value();
    if (!understood) return false;
    for (const ServerEvent& event : *events) ended = ended || !watcher.take(event);
    return !ended;
  };
  const auto answer = request_stream(socket, request, stream);
  if (terminal && answer && answer->first.status < 300) print(stdout, kRestore);
  if (!answer) return tl::unexpected(refusal_of(answer.error()));
  if (answer->first.status >= 300)
    return refuse(problem_view(answer->first.status, answer->first.body), exit_code_of(answer->first.status));
  if (!understood) return refuse("the answer is not understood; is the gateway of another version?");
  if (!ended) return refuse("the gateway has closed the connection: is it ending?");
  return {};
}

}  // namespace envgate::cli
