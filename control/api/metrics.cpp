// /metrics: the counters that the program keeps, and how things stand at this moment, read when asked.
#include "base/metrics.hpp"

#include "control/api/handling.hpp"
#include "control/store/counts.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

// Lines of Prometheus' text format 0.0.4.
class Gauges {
 public:
  explicit Gauges(std::string& out) : out_(out) {}

  void name(std::string_view name, std::string_view help) {
    name_ = name;
    out_.append("# HELP ").append(name).append(" ").append(help);
    out_.append("\n# TYPE ").append(name).append(" gauge\n");
  }
  void value(double value) { line("", value); }
  void value(std::string_view label, std::string_view of, double value) {
    std::string labels = "{" + std::string(label) + "=\"";
    for (const char c : of) {
      if (c == '"' || c == '\\') labels += '\\';
      labels += c == '\n' ? ' ' : c;
    }
    line(labels + "\"}", value);
  }

 private:
  void line(const std::string& labels, double value) {
    out_.append(name_).append(labels).append(" ").append(write_json(value)).append("\n");
  }
  std::string& out_;
  std::string name_;
};

void states(Gauges& gauges, const std::map<std::string, long long>& counted) {
  for (const auto& [state, count] : counted) gauges.value("state", state, static_cast<double>(count));
}

void put_database(Context& context, Gauges& gauges) {
  const auto counts =
      read(context, [](store::Transaction& t) -> Result<store::Counts> { return store::count_all(t); });
  gauges.name("envgate_control_database_up", "1 where the database answers.");
  gauges.value(counts ? 1 : 0);
  if (!counts) return;
  gauges.name("envgate_control_environments", "Environments, by state.");
  states(gauges, counts->environments);
  gauges.name("envgate_control_machines", "Physical machines, by state.");
  states(gauges, counts->machines);
  gauges.name("envgate_control_operations_open", "Operations that have not ended.");
  gauges.value(static_cast<double>(counts->open_operations));
  const double age =
      counts->oldest_open == 0 ? 0 : static_cast<double>(store::now_ms() - counts->oldest_open);
  gauges.name("envgate_control_oldest_operation_seconds", "How long the oldest of them has been open.");
  gauges.value(std::max(age, 0.0) / 1000);
}

void put_engines(Context& context, Gauges& gauges) {
  const auto health = context.reconciler.health();
  gauges.name("envgate_control_engine_up", "1 where an engine answered the last look.");
  for (const auto& [key, engine] : health) gauges.value("engine", key, engine.answers ? 1 : 0);
  gauges.name("envgate_control_orphans", "Things with our labels that no environment explains.");
  for (const auto& [key, engine] : health) gauges.value("engine", key, static_cast<double>(engine.orphans));
  gauges.name("envgate_control_passes_waiting", "Environments that wait to be worked on.");
  gauges.value(static_cast<double>(context.reconciler.waiting()));
  gauges.name("envgate_control_passes_working", "Environments that are worked on.");
  gauges.value(static_cast<double>(context.reconciler.working()));
}

Response metrics_text(Context& context, const Request&) {
  Response response;
  response.content_type = "text/plain; version=0.0.4";
  response.body = metrics::exposition();
  Gauges gauges(response.body);
  put_database(context, gauges);
  put_engines(context, gauges);
  return response;
}

}  // namespace

std::vector<Operation> metrics_operations() {
  return {{"GET", "/metrics", Role::none, metrics_text, "Prometheus metrics"}};
}

}  // namespace envgate::control::api
