// What a server does with its schema before and beside serving: from the command line, the variables and the
// files to a snapshot, and what `--check` and `--explain` print. Thread: main's, except where said.
#pragma once

#include "base/command_line.hpp"
#include "base/settings.hpp"

namespace envgate::settings {

// This process's ENVGATE_* variables.
Texts process_variables();

// `api`: overrides set while running, KEY -> VALUE.
Sources sources_of(const CommandLine& line, const Texts& variables, const Texts& api = {});

// One line each, and a last one that counts them.
std::string to_text(const std::string& program, const SettingErrors& errors);

// Standard output where all is well, else standard error. Return the process's exit status.
int print_errors(const std::string& program, const SettingErrors& errors);
int print_good(const std::string& program, const Sources& sources, const std::vector<Origin>& origins);
int print_explained(const std::string& program, const Result<std::vector<Explained>>& explained);

// `--check` and `--explain [KEY]`.
template <typename S>
int print_check(const std::string& program, const Schema<S>& schema, const Sources& sources) {
  const auto loaded = load(schema, sources);
  return loaded ? print_good(program, sources, (*loaded)->origins) : print_errors(program, loaded.error());
}

template <typename S>
int print_explain(const std::string& program, const Schema<S>& schema, const Sources& sources,
                  const std::string& key) {
  const auto loaded = load(schema, sources);
  if (!loaded) return print_errors(program, loaded.error());
  return print_explained(program, explain(schema, **loaded, key));
}

}  // namespace envgate::settings
