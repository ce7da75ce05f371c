// Names and labels of all that we make in an engine. A name follows from the install, the environment and the
// owner alone, so that whoever was killed finds its things again; a label says that they are ours. Pure
// values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/spec.hpp"
#include "backends/words.hpp"

namespace envgate::backends::docker {

inline constexpr std::string_view kLabelInstall = "envgate.install";
inline constexpr std::string_view kLabelEnvironment = "envgate.env";
inline constexpr std::string_view kLabelGeneration = "envgate.generation";
inline constexpr std::string_view kLabelOwner = "envgate.owner";
inline constexpr std::string_view kLabelImage = "envgate.image";  // the digest, once it is known
inline constexpr std::string_view kLabelGpus = "envgate.gpus";    // ids, by commas
inline constexpr std::string_view kLabelGpuMode = "envgate.gpu-mode";

std::string container_name(std::string_view install, const EnvId& environment);
std::string volume_name(std::string_view install, const EnvId& environment, std::string_view volume);
std::string network_name(std::string_view install, std::string_view owner);

bool valid_volume(std::string_view text);  // 1 to 64 of [a-z0-9._-], the first of [a-z0-9]

// An image as it is written: [host[:port]/]path[:tag][@sha256:digest].
struct ImageName {
  std::string registry;    // "" is the engine's own default
  std::string repository;  // with the registry, as the engine wants it
  std::string tag;         // "latest" where neither is given; empty with a digest alone
  std::string digest;      // "sha256:" and 64 of [0-9a-f], or empty

  // Nothing: not of that form, or longer than 512 characters.
  static std::optional<ImageName> parse(std::string_view text);
  std::string full() const;     // repository:tag or repository@digest
  std::string version() const;  // the digest, or else the tag
};

std::string percent_encode(std::string_view text);
std::string base64url(std::string_view bytes);  // RFC 4648, section 5, with its padding

}  // namespace envgate::backends::docker
