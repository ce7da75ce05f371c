// A whole file as a string. Thread: any.
#pragma once

#include <string>

#include "base/result.hpp"

namespace envgate::routing {

// Errors: with the path, the reason and errno in `code`.
Result<std::string> read_file(const std::string& path);

}  // namespace envgate::routing
