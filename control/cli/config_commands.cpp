#include "control/cli/config_commands.hpp"

#include <nlohmann/json.hpp>

#include "control/cli/control_command.hpp"
#include "control/cli/gateway_commands.hpp"
#include "control/cli/views.hpp"

namespace envgate::cli {
namespace {

constexpr Option kOptions[] = {
    {"--control", 0, "", "a setting of envgate-control, not of the gateway"},
    {"--socket", 's', "PATH",
     "the gateway's admin socket (default: $ENVGATE_ADMIN_SOCKET, else\n"
     "                            /run/envgate/admin.sock), with --control control's (default:\n"
     "                            $ENVGATE_CONTROL_SOCKET, else /run/envgate/control.sock)"},
    {"--output", 'o', "table|json", "table, for people (the default), or json, for programs"},
    kTimeout,
};

Asked<void> explain_control(const Invocation& call, const ControlClient& client) {
  const std::string key = call.words.empty() ? "" : "/" + encode_segment(call.words[0]);
  const auto settings = client.get("/api/settings" + key);
  if (!settings) return tl::unexpected(settings.error());
  const Format format = *format_of(call);
  // Control answers a key by a list of one; a person who asked for one wants all of it.
  const bool is_one = !key.empty() && settings->contains("settings") && settings->at("settings").size() == 1;
  const Json& shown = is_one ? settings->at("settings")[0] : *settings;
  if (format == Format::table || format == Format::wide)
    print(stdout, settings_view(shown.dump()));
  else
    print(stdout, format == Format::json ? to_json(shown) : to_yaml(shown));
  return {};
}

int run_explain(const Invocation& call) {
  return call.has("--control") ? with_control<explain_control>(call) : run_gateway_settings(call);
}

}  // namespace

Command config_explain_command() {
  return {
      "config explain",
      "[KEY]",
      0,
      1,
      kOptions,
      "Say a setting's value, and where it comes from",
      "\nKEY is a key (log.level) or a section (log); without it, every key is listed with its value and\n"
      "where that comes from. Secrets are masked.\n",
      run_explain};
}

}  // namespace envgate::cli
