// Which directories of the host a container may be given: those below the allowed roots, by their canonical
// path. The engine is then given that path, so that it resolves no symlink any more. What remains: somebody
// who may rename directories on the way can still race the engine; roots are therefore an operator's, and no
// directory above a bind may be writable by a tenant.
// Thread: any; asks the file system.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace envgate::backends::docker {

// The canonical path. Errors: not absolute, not there, not a directory, or not below any root.
Result<std::string> resolve_bind(const std::string& source, const std::vector<std::string>& roots);

}  // namespace envgate::backends::docker
