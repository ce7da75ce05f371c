// From the command line, the environment's variables and the files to GatewaySettings. Thread: main's, except
// where said.
#pragma once

#include "base/settings_program.hpp"
#include "gateway/settings.hpp"

namespace envgate::gateway {

using Snapshot = settings::Snapshot<GatewaySettings>;
using SnapshotPtr = settings::SnapshotPtr<GatewaySettings>;
using Schema = settings::Schema<GatewaySettings>;

// The gateway's keys, types, ranges and the rules between them. Thread: any.
const Schema& gateway_schema();

// The name and the words of --help.
const ProgramText& program_text();

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

}  // namespace envgate::gateway
