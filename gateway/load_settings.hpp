// From the command line, the environment's variables and the files to GatewaySettings, and what `--check` and
// `--explain` print. main calls these and nothing else of the settings engine. Thread: main's, except where
// said.
#pragma once

#include "base/settings.hpp"
#include "gateway/command_line.hpp"
#include "gateway/settings.hpp"

namespace envgate::gateway {

using Snapshot = settings::Snapshot<GatewaySettings>;
using SnapshotPtr = settings::SnapshotPtr<GatewaySettings>;
using Schema = settings::Schema<GatewaySettings>;

// The gateway's keys, types, ranges and the rules between them. Thread: any.
const Schema& gateway_schema();

// This process's ENVGATE_* variables.
settings::Texts process_variables();

// `api`: overrides set through the admin socket, KEY -> VALUE.
settings::Sources settings_sources(const CommandLine& line, const settings::Texts& variables,
                                   const settings::Texts& api = {});

// Errors: every one there is.
tl::expected<SnapshotPtr, settings::SettingErrors> load_gateway_settings(const CommandLine& line,
                                                                         const settings::Texts& variables,
                                                                         const settings::Texts& api = {});

// For SIGHUP and the admin socket. On success publish `settings`, log `changes.restart` by name; on errors
// keep the running ones, log and count.
tl::expected<settings::Reloaded<GatewaySettings>, settings::SettingErrors> reload_gateway_settings(
    const CommandLine& line, const settings::Texts& variables, const settings::Texts& api,
    const Snapshot& running);

// The values alone, kept alive by their snapshot.
inline GatewaySettingsPtr values_of(const SnapshotPtr& snapshot) { return {snapshot, &snapshot->values}; }

// One line each, and a last one that counts them.
std::string to_text(const settings::SettingErrors& errors);

// `envgate --check` and `envgate --explain [KEY]`: standard output where all is well, else standard error.
// Return the process's exit status.
int print_check(const CommandLine& line, const settings::Texts& variables);
int print_explain(const CommandLine& line, const settings::Texts& variables);

}  // namespace envgate::gateway
