#include "base/settings_program.hpp"

#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace envgate::settings {
namespace {

constexpr std::string_view kPrefix = "ENVGATE_";
constexpr const char* kEnvironmentVariable = "ENVGATE_ENVIRONMENT";

void print(std::FILE* out, const std::string& text) { std::fwrite(text.data(), 1, text.size(), out); }

}  // namespace

Texts process_variables() {
  Texts variables;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (!text.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Sources sources_of(const CommandLine& line, const Texts& variables, const Texts& api) {
  Sources sources;
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

std::string to_text(const std::string& program, const SettingErrors& errors) {
  std::string out;
  for (const SettingError& error : errors) out += error.to_string() + "\n";
  const bool one = errors.size() == 1;
  return out + program + ": " + std::to_string(errors.size()) + (one ? " error" : " errors") +
         " in the settings\n";
}

int print_errors(const std::string& program, const SettingErrors& errors) {
  print(stderr, to_text(program, errors));
  return 1;
}

int print_good(const std::string& program, const Sources& sources, const std::vector<Origin>& origins) {
  std::size_t set = 0;
  for (const Origin& origin : origins) set += origin.layer != Layer::defaults;
  std::string from = sources.file.empty() ? "no file" : sources.file;
  if (!sources.environment.empty()) from += " and " + environment_file(sources.file, sources.environment);
  print(stdout, program + ": the settings are good: " + from + ", " + std::to_string(set) + " of " +
                    std::to_string(origins.size()) + " keys set, the others at their defaults\n");
  return 0;
}

int print_explained(const std::string& program, const Result<std::vector<Explained>>& explained) {
  if (!explained) {
    print(stderr, program + ": " + explained.error().message + "\n");
    return 1;
  }
  const bool one = explained->size() == 1;
  for (const Explained& key : *explained) print(stdout, one ? to_text(key) : to_line(key));
  return 0;
}

}  // namespace envgate::settings
