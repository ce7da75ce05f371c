// GET /api/sessions/{id}/watch: a session as it goes on, as server-sent events (WHATWG HTML, "Server-sent
// events"):
//   event: size    {"channel":1,"columns":80,"rows":24}
//   event: output  {"channel":1,"data":"..."}             first what is on the screen
//   event: lost    {"bytes":9000}                         the watcher was too slow
//   event: end     {"reason":"..."}
#include "base/log.hpp"
#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/gateway.hpp"
#include "gateway/ssh/recorder/recorder.hpp"

namespace envgate::admin {
namespace {

using ssh::recorder::Watch;
using ssh::recorder::Watched;

void append_event(std::string& out, const char* name, JsonWriter& json) {
  out.append("event: ").append(name).append("\ndata: ");
  out.append(std::move(json).finish());  // one line, with its newline
  out += '\n';
}

void append(std::string& out, const Watched& piece) {
  JsonWriter json;
  json.begin_object();
  switch (piece.kind) {
    case Watched::Kind::output:
      json.number("channel", piece.channel).text("data", piece.text).end_object();
      return append_event(out, "output", json);
    case Watched::Kind::resized:
      json.number("channel", piece.channel).number("columns", piece.columns).number("rows", piece.rows);
      json.end_object();
      return append_event(out, "size", json);
    case Watched::Kind::lost:
      json.number("bytes", piece.bytes).end_object();
      return append_event(out, "lost", json);
    case Watched::Kind::ended:
      json.text("reason", piece.text).end_object();
      return append_event(out, "end", json);
  }
}

class WatchBody final : public BodySource {
 public:
  WatchBody(ssh::recorder::Recorder& recorder, std::string id) : recorder_(recorder), id_(std::move(id)) {}
  ~WatchBody() override {
    if (watch_) watch_->close();
  }

  void start(std::function<void()> ready) override { watch_ = recorder_.subscribe(id_, std::move(ready)); }
  bool next(std::string& piece) override {
    if (!watch_) {
      append(piece, {Watched::Kind::ended, 0, "too many are watching already", 0, 0, 0});
      return false;
    }
    bool more = true;
    for (const Watched& one : watch_->take()) {
      append(piece, one);
      more = more && one.kind != Watched::Kind::ended;
    }
    return more;
  }
  std::string_view heartbeat() const override { return ":\n\n"; }

 private:
  ssh::recorder::Recorder& recorder_;
  const std::string id_;
  std::shared_ptr<Watch> watch_;
};

}  // namespace

Response watch_record(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  ssh::recorder::Recorder* const recorder = context.gateway.recorder();
  if (!recorder || !recorder->is_open(request.name))
    return problem(404, "the session of record " + request.name + " is not open", "id");
  log::info("record_watched")
      .text("record", request.name)
      .number("uid", request.caller.uid)
      .number("pid", request.caller.pid);
  Response response{200, "text/event-stream", {}, {}};
  response.stream = std::make_shared<WatchBody>(*recorder, request.name);
  return response;
}

}  // namespace envgate::admin
