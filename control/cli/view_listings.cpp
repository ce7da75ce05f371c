// Routes, sessions and settings: the views that are lists, and metrics as JSON.
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "control/cli/table.hpp"
#include "control/cli/views.hpp"

namespace envgate::cli {
namespace {

// In the order of the answer, since that is how it is printed again.
using Json = nlohmann::ordered_json;
using A = Table::Align;

std::string text(const Json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string ssh_cell(const Json& route) {
  const auto ssh = route.find("ssh");
  if (ssh == route.end() || !ssh->contains("listen_port")) return "";
  return text(*ssh, "listen_port") + " -> " + text(*ssh, "target_port");
}

std::string http_cell(const Json& route) {
  const auto http = route.find("http");
  if (http == route.end()) return "(default ports)";
  std::string out;
  for (const Json& port : *http) {
    out += (out.empty() ? "" : ", ") + text(port, "port");
    if (port.at("target_port") != port.at("port")) out += " -> " + text(port, "target_port");
  }
  return out.empty() ? "none" : out;
}

std::string tcp_cell(const Json& route) {
  std::string out;
  if (const auto tcp = route.find("tcp"); tcp != route.end())
    for (const Json& port : *tcp)
      out += (out.empty() ? "" : ", ") + text(port, "service") + " " + text(port, "listen_port") + " -> " +
             text(port, "target_port");
  return out;
}

class TableListing final : public Listing {
 public:
  using Row = std::vector<std::string> (*)(const Json& entry);
  TableListing(const char* member, std::vector<Table::Column> columns, Row row, const char* none)
      : member_(member), table_(std::move(columns)), row_(row), none_(none) {}

  std::string add(std::string_view page) override {
    const Json json = Json::parse(page);
    for (const Json& entry : json.at(member_)) table_.add(row_(entry));
    return text(json, "next");
  }
  std::size_t size() const override { return table_.rows(); }
  // Columns are as wide as their widest cell: nothing can be printed before the last page.
  std::string take(bool last) override {
    if (!last) return "";
    return table_.rows() == 0 ? std::string(none_) + "\n" : table_.to_text();
  }

 private:
  const char* member_;
  Table table_;
  Row row_;
  const char* none_;
};

// {"routes": [...]}, an entry a line, printed as it comes.
class JsonListing final : public Listing {
 public:
  explicit JsonListing(std::string member) : member_(std::move(member)), out_("{\"" + member_ + "\": [") {}

  std::string add(std::string_view page) override {
    const Json json = Json::parse(page);
    for (const Json& entry : json.at(member_)) out_ += (count_++ == 0 ? "\n" : ",\n") + entry.dump();
    return text(json, "next");
  }
  std::size_t size() const override { return count_; }
  std::string take(bool last) override {
    if (last) out_ += "\n]}\n";
    return std::exchange(out_, {});
  }

 private:
  std::string member_, out_;
  std::size_t count_ = 0;
};

std::string explained(const Json& key) {
  std::string out = text(key, "key") + " = " + text(key, "value") + "\n";
  const std::string place = text(key, "place");
  out += "  from:      " + text(key, "layer") + (place.empty() ? "" : ", " + place) + "\n";
  out += "  default:   " + text(key, "default") + "\n";
  out += "  expects:   " + text(key, "expects") + "\n";
  out += "  variable:  " + text(key, "variable") + "\n";
  if (key.contains("apply"))
    out +=
        std::string("  changes:   ") +
        (text(key, "apply") == "live" ? "at once, by a reload or envctl gateway set" : "at the next start") +
        "\n";
  return out + "  " + text(key, "description") + "\n";
}

// A label set as the exposition format writes it: name="value",... with \\, \" and \n escaped.
Json read_labels(std::string_view& line) {
  Json labels = Json::object();
  while (!line.empty() && line.front() != '}') {
    const std::size_t equals = line.find("=\"");
    if (equals == line.npos) break;
    const std::string name(line.substr(0, equals));
    line.remove_prefix(equals + 2);
    std::string value;
    for (; !line.empty() && line.front() != '"'; line.remove_prefix(1)) {
      if (line.front() == '\\' && line.size() > 1)
        line.remove_prefix(1), value += line.front() == 'n' ? '\n' : line.front();
      else
        value += line.front();
    }
    labels[name] = value;
    line.remove_prefix(std::min<std::size_t>(line.size(), line.starts_with("\",") ? 2 : 1));
  }
  line.remove_prefix(std::min<std::size_t>(line.size(), 1));
  return labels;
}

}  // namespace

std::unique_ptr<Listing> routes_table() {
  return std::make_unique<TableListing>(
      "routes",
      std::vector<Table::Column>{{"ENVIRONMENT"},
                                 {"KIND"},
                                 {"STATE"},
                                 {"ADDRESS"},
                                 {"SSH"},
                                 {"HTTP"},
                                 {"TCP"},
                                 {"GENERATION", A::right}},
      [](const Json& route) -> std::vector<std::string> {
        return {text(route, "env"), text(route, "kind"), text(route, "state"), text(route, "address"),
                ssh_cell(route),    http_cell(route),    tcp_cell(route),      text(route, "generation")};
      },
      "no routes");
}

std::unique_ptr<Listing> sessions_table() {
  return std::make_unique<TableListing>(
      "sessions",
      std::vector<Table::Column>{{"ID", A::right},
                                 {"PROTOCOL"},
                                 {"ENVIRONMENT"},
                                 {"CLIENT"},
                                 {"TARGET"},
                                 {"STATE"},
                                 {"TO TARGET", A::right},
                                 {"TO CLIENT", A::right},
                                 {"REQUESTS", A::right},
                                 {"AGE", A::right}},
      [](const Json& session) -> std::vector<std::string> {
        return {text(session, "id"),
                text(session, "protocol"),
                text(session, "environment"),
                text(session, "client"),
                text(session, "target"),
                text(session, "state"),
                human_bytes(session.at("bytes_to_target").get<std::uint64_t>()),
                human_bytes(session.at("bytes_to_client").get<std::uint64_t>()),
                text(session, "requests"),
                human_seconds(session.at("duration_seconds").get<double>())};
      },
      "no sessions");
}

std::unique_ptr<Listing> listing_as_json(std::string member) {
  return std::make_unique<JsonListing>(std::move(member));
}

std::string route_view(std::string_view body) {
  const Json route = Json::parse(body);
  std::string out = "environment  " + printable(text(route, "env")) + "\n";
  const std::pair<const char*, std::string> lines[] = {
      {"kind         ", text(route, "kind")},
      {"state        ", text(route, "state")},
      {"address      ", text(route, "address")},
      {"generation   ", text(route, "generation")},
      {"created      ", text(route, "created_at")},
      {"ssh          ", ssh_cell(route)},
      {"http         ", http_cell(route)},
      {"tcp          ", tcp_cell(route)},
      {"allow from   ", route.contains("allow_from") ? route["allow_from"].dump() : ""},
      {"limits       ", route.contains("limits") ? route["limits"].dump() : ""},
      {"refused      ",
       route.contains("port_refused") ? "another environment holds a port that this one declares" : ""}};
  for (const auto& [label, value] : lines)
    if (!value.empty()) out += label + printable(value) + "\n";
  Table table({{"WORKER", A::right}, {"SESSIONS", A::right}, {"POOLED", A::right}});
  for (const Json& worker : route.at("workers"))
    table.add({text(worker, "worker"), text(worker, "sessions"), text(worker, "pooled_connections")});
  return out + "\n" + table.to_text();
}

std::string settings_view(std::string_view body) {
  const Json json = Json::parse(body);
  if (!json.contains("settings")) return explained(json);
  Table table({{"KEY"}, {"VALUE"}, {"FROM"}});
  for (const Json& key : json["settings"]) {
    const std::string place = text(key, "place");
    table.add({text(key, "key"), text(key, "value"),
               place.empty() ? text(key, "layer") : text(key, "layer") + ", " + place});
  }
  return table.to_text();
}

std::string metrics_as_json(std::string_view exposition) {
  std::string out = "{\"samples\": [";
  bool first = true;
  while (!exposition.empty()) {
    std::string_view line = exposition.substr(0, exposition.find('\n'));
    exposition.remove_prefix(std::min(exposition.size(), line.size() + 1));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t name_end = line.find_first_of("{ ");
    if (name_end == line.npos) continue;
    Json sample;
    sample["name"] = std::string(line.substr(0, name_end));
    const bool has_labels = line[name_end] == '{';
    line.remove_prefix(name_end + 1);
    sample["labels"] = has_labels ? read_labels(line) : Json::object();
    const double value = std::strtod(std::string(line).c_str(), nullptr);
    // JSON has no infinity and no NaN: then as text, the way Prometheus writes it.
    if (std::isfinite(value))
      sample["value"] = value;
    else
      sample["value"] = std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    out += (first ? "\n" : ",\n") + sample.dump();
    first = false;
  }
  return out + "\n]}\n";
}

}  // namespace envgate::cli
