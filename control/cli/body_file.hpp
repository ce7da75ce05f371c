// What a command sends: a file in YAML or JSON, and options over it. Thread: main's.
#pragma once

#include "control/cli/control_client.hpp"

namespace envgate::cli {

// As it is; "-" is standard input. Errors: it cannot be read, or is larger than 4 MiB.
Asked<std::string> read_file(const std::string& path);

// Plain scalars by YAML 1.2's core schema, but below `env` and `labels`, where all values are texts.
// Errors: misuse, with the place; a text that would grow beyond its own size by aliases is refused.
Asked<Json> parse_body(const std::string& text, const std::string& source);

// "K=V". Errors: misuse, with the option's name.
Asked<std::pair<std::string, std::string>> key_and_value(const std::string& text, std::string_view option);

// A number as JSON: whole where it is whole. Errors: misuse, with the option's name.
Asked<Json> number_of(const std::string& text, std::string_view option);

// An option whose value becomes a member of the body.
enum class Kind : std::uint8_t { text, number };
struct BodyOption {
  std::string_view option;  // "--cpu"
  const char* path;         // "/spec/cpu"
  Kind kind = Kind::text;
};
Asked<void> take_body_options(const Invocation& call, std::span<const BodyOption> options, Json& body);

// What of an authorized_keys file, or what is one key itself: one key a line. Errors: misuse; a private key
// is refused, since it would be shown to whoever may read.
Asked<std::vector<std::string>> public_keys(const std::string& file_or_text, std::string_view option);

}  // namespace envgate::cli
