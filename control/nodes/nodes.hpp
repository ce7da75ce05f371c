// Docker engines: "local" from the settings, and the remote nodes that the database has. Thread: any.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "backends/docker/backend.hpp"
#include "control/lifecycle/engines.hpp"
#include "control/settings.hpp"
#include "control/store/nodes.hpp"

namespace envgate::control {

class Nodes {
 public:
  Nodes(store::Database& database, const ControlSettings& settings, std::string install, Engines& engines);

  // Errors: the settings of the local engine.
  Result<void> start();
  // Makes the engines what the rows say: another controller may have added a node, or taken one away.
  void refresh();

  // Asks the engine who it is. Errors: it does not answer, or not to us; the settings are wrong.
  Result<backends::docker::EngineFacts> ask(const store::Node& node) const;
  // The local engine's id. Nothing: there is none, or it does not answer.
  std::optional<std::string> local_engine_id() const;
  // What every node that answers within five seconds says of itself, by name; all are asked at once.
  std::map<std::string, backends::docker::EngineFacts> facts() const;

 private:
  backends::docker::Settings settings_of(const store::Node& node) const;
  void add(const std::string& name, const backends::docker::Settings& settings);

  store::Database& database_;
  const ControlSettings& settings_;
  const std::string install_;
  Engines& engines_;
  mutable std::mutex mutex_;
  std::map<std::string, store::Node> known_;                                          // that `engines_` has
  std::map<std::string, std::shared_ptr<backends::docker::DockerBackend>> backends_;  // local, too
};

// A node's GPUs as JSON, [{"id", "model"}], and back.
std::vector<backends::docker::GpuDevice> gpus_of(const std::string& json);

}  // namespace envgate::control
