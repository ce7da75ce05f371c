// An environment's image, there and looked at. Thread: any; blocks while it is pulled.
#pragma once

#include "backends/docker/engine.hpp"

namespace envgate::backends::docker {

struct Image {
  std::string id;      // what a container is created from
  std::string digest;  // what it was pulled by; the id where it never was
};

Outcome<Image> ensure_image(Engine& engine, const Wanted& wanted, const Call& call);

}  // namespace envgate::backends::docker
