#include "gateway/load_settings.hpp"

#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace envgate::gateway {
namespace {

constexpr std::string_view kPrefix = "ENVGATE_";
constexpr const char* kEnvironmentVariable = "ENVGATE_ENVIRONMENT";

void print(std::FILE* out, const std::string& text) { std::fwrite(text.data(), 1, text.size(), out); }

}  // namespace

settings::Texts process_variables() {
  settings::Texts variables;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (!text.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

settings::Sources settings_sources(const CommandLine& line, const settings::Texts& variables,
                                   const settings::Texts& api) {
  settings::Sources sources;
  sources.file = line.config;
  sources.environment = line.environment;
  if (const auto named = variables.find(kEnvironmentVariable);
      line.environment.empty() && named != variables.end())
    sources.environment = named->second;
  sources.variables = variables;
  sources.sets = line.sets;
  sources.api = api;
  return sources;
}

tl::expected<SnapshotPtr, settings::SettingErrors> load_gateway_settings(const CommandLine& line,
                                                                         const settings::Texts& variables,
                                                                         const settings::Texts& api) {
  return settings::load(gateway_schema(), settings_sources(line, variables, api));
}

tl::expected<settings::Reloaded<GatewaySettings>, settings::SettingErrors> reload_gateway_settings(
    const CommandLine& line, const settings::Texts& variables, const settings::Texts& api,
    const Snapshot& running) {
  return settings::reload(gateway_schema(), settings_sources(line, variables, api), running);
}

std::string to_text(const settings::SettingErrors& errors) {
  std::string out;
  for (const settings::SettingError& error : errors) out += error.to_string() + "\n";
  const bool one = errors.size() == 1;
  return out + "envgate: " + std::to_string(errors.size()) + (one ? " error" : " errors") +
         " in the settings\n";
}

int print_check(const CommandLine& line, const settings::Texts& variables) {
  const auto loaded = load_gateway_settings(line, variables);
  if (!loaded) {
    print(stderr, to_text(loaded.error()));
    return 1;
  }
  std::size_t set = 0;
  for (const settings::Origin& origin : (*loaded)->origins) set += origin.layer != settings::Layer::defaults;
  const settings::Sources sources = settings_sources(line, variables);
  std::string from = sources.file.empty() ? "no file" : sources.file;
  if (!sources.environment.empty())
    from += " and " + settings::environment_file(sources.file, sources.environment);
  print(stdout, "envgate: the settings are good: " + from + ", " + std::to_string(set) + " of " +
                    std::to_string((*loaded)->origins.size()) + " keys set, the others at their defaults\n");
  return 0;
}

int print_explain(const CommandLine& line, const settings::Texts& variables) {
  const auto loaded = load_gateway_settings(line, variables);
  if (!loaded) {
    print(stderr, to_text(loaded.error()));
    return 1;
  }
  const auto explained = settings::explain(gateway_schema(), **loaded, line.explain_key);
  if (!explained) {
    print(stderr, "envgate: " + explained.error().message + "\n");
    return 1;
  }
  const bool one = explained->size() == 1;
  for (const settings::Explained& key : *explained) print(stdout, one ? to_text(key) : to_line(key));
  return 0;
}

}  // namespace envgate::gateway
