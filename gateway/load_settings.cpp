#include "gateway/load_settings.hpp"

namespace envgate::gateway {

const ProgramText& program_text() {
  static const ProgramText text{
      "envgate", "The envgate gateway: SSH and HTTPS to the right environment.",
      "ENVGATE_SSH_BIND is\nssh.bind",
      "SIGHUP reloads the settings, SIGUSR1 opens the log file anew. SIGTERM drains and ends,\n"
      "a second one ends at once.\n"};
  return text;
}

tl::expected<SnapshotPtr, settings::SettingErrors> load_gateway_settings(const CommandLine& line,
                                                                         const settings::Texts& variables,
                                                                         const settings::Texts& api) {
  return settings::load(gateway_schema(), settings::sources_of(line, variables, api));
}

tl::expected<settings::Reloaded<GatewaySettings>, settings::SettingErrors> reload_gateway_settings(
    const CommandLine& line, const settings::Texts& variables, const settings::Texts& api,
    const Snapshot& running) {
  return settings::reload(gateway_schema(), settings::sources_of(line, variables, api), running);
}

}  // namespace envgate::gateway
