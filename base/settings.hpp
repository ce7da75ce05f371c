// Settings in layers (seed 000), the later winning key by key:
//
//   built-in defaults < global file < environment file < variables < --set KEY=VALUE < API
//
// `load` builds one immutable Snapshot from all of them or says everything that is wrong; `reload` builds the
// next one from the same places while a process runs; `explain` says of each key its value and where that
// came from. What the keys are is the Schema's matter, and how a new Snapshot is published the caller's.
// Knows no SSH and no HTTP. Thread: any; nothing here is shared or kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/settings_schema.hpp"

namespace envgate::settings {

enum class Layer : std::uint8_t { defaults, global_file, environment_file, variable, command_line, api };
std::string_view layer_name(Layer layer);  // "global file"

using Texts = std::map<std::string, std::string>;

// Where each layer comes from; an empty member is a layer that is not there.
struct Sources {
  std::string file;
  std::string environment;        // NAME: "<file's stem>.NAME.yaml" beside the global file; it must exist
  Texts variables;                // the process's; those without the schema's prefix are passed over
  std::vector<std::string> sets;  // "KEY=VALUE"
  Texts api;                      // KEY -> VALUE; only keys that are live
};

// "conf/envgate.prod.yaml" for "conf/envgate.yaml" and "prod".
std::string environment_file(const std::string& file, const std::string& environment);

struct Origin {
  Layer layer = Layer::defaults;
  std::string place;  // "envgate.yaml:12", "ENVGATE_WORKERS"; empty for a default
};

template <typename S>
struct Snapshot {
  S values;
  std::vector<Origin> origins;  // in the order of the schema's keys
};

template <typename S>
using SnapshotPtr = std::shared_ptr<const Snapshot<S>>;

// One key whose value differs; secrets masked.
struct Change {
  std::string key;
  std::string before;
  std::string after;
};

struct Changes {
  std::vector<Change> live;     // in effect with the new snapshot
  std::vector<Change> restart;  // asked for, and waiting for a restart
};

template <typename S>
struct Reloaded {
  SnapshotPtr<S> settings;
  Changes changes;
};

// What there is to say about one key; secrets masked.
struct Explained {
  std::string key;
  std::string value;
  Origin origin;
  std::string default_value;
  std::string expects;
  std::string description;
  std::string variable;
  Apply apply = Apply::restart;
};

std::string to_text(const Explained& explained);  // several lines, the last ended too
std::string to_line(const Explained& explained);  // "key = value  # global file, envgate.yaml:12", ended
std::string to_line(const Change& change);        // "key: before -> after", not ended

// The engine below the templates: `values` and the like point to the schema's struct.
namespace detail {
struct Reading {
  std::vector<Origin> origins;
  std::vector<bool> failed;  // by key: some layer's value could not be read
  SettingErrors errors;
};
Reading read_layers(const KeyTable& table, const Sources& sources, void* values);
Complain complain_into(const KeyTable& table, Reading& reading, std::string suffix);
Changes compare(const KeyTable& table, const void* before, const void* after);
// Gives keys that need a restart the running value and origin back.
void keep_restart_keys(const KeyTable& table, const void* running, const std::vector<Origin>& running_origins,
                       void* values, std::vector<Origin>& origins);
Result<std::vector<Explained>> explain(const KeyTable& table, const std::string& name, const void* values,
                                       const void* defaults, const std::vector<Origin>& origins);
}  // namespace detail

// Errors: all there are, in the order of the layers.
template <typename S>
tl::expected<SnapshotPtr<S>, SettingErrors> load(const Schema<S>& schema, const Sources& sources) {
  S values;
  detail::Reading reading = detail::read_layers(schema.table(), sources, &values);
  schema.run_checks(values, detail::complain_into(schema.table(), reading, ""));
  if (!reading.errors.empty()) return tl::unexpected(std::move(reading.errors));
  return std::make_shared<const Snapshot<S>>(Snapshot<S>{std::move(values), std::move(reading.origins)});
}

// `before` to `after`, by key.
template <typename S>
Changes changes(const Schema<S>& schema, const S& before, const S& after) {
  return detail::compare(schema.table(), &before, &after);
}

// The snapshot to run with from now on: live keys as the sources say, keys that need a restart as they run;
// those that the sources want otherwise are listed, again at every reload until the restart. On errors the
// running snapshot stays good; also where the new live values do not agree with what still runs.
template <typename S>
tl::expected<Reloaded<S>, SettingErrors> reload(const Schema<S>& schema, const Sources& sources,
                                                const Snapshot<S>& running) {
  auto fresh = load(schema, sources);
  if (!fresh) return tl::unexpected(std::move(fresh.error()));
  Changes changed = detail::compare(schema.table(), &running.values, &(*fresh)->values);
  Snapshot<S> next = **fresh;
  detail::keep_restart_keys(schema.table(), &running.values, running.origins, &next.values, next.origins);
  detail::Reading reading{next.origins, std::vector<bool>(next.origins.size()), {}};
  schema.run_checks(next.values, detail::complain_into(schema.table(), reading,
                                                       " (together with what runs until a restart)"));
  if (!reading.errors.empty()) return tl::unexpected(std::move(reading.errors));
  return Reloaded<S>{std::make_shared<const Snapshot<S>>(std::move(next)), std::move(changed)};
}

// `name` is a key, a section ("routes") for all in it, or empty for all. Errors: unknown, with the nearest.
template <typename S>
Result<std::vector<Explained>> explain(const Schema<S>& schema, const Snapshot<S>& snapshot,
                                       const std::string& name) {
  const S defaults;
  return detail::explain(schema.table(), name, &snapshot.values, &defaults, snapshot.origins);
}

}  // namespace envgate::settings
