#include "backends/docker/binds.hpp"

#include <algorithm>
#include <filesystem>

namespace envgate::backends::docker {
namespace {

namespace fs = std::filesystem;

// Itself or below, by whole components: /srv/data is not below /srv/dat.
bool is_within(const fs::path& path, const fs::path& root) {
  return std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first == root.end();
}

}  // namespace

Result<std::string> resolve_bind(const std::string& source, const std::vector<std::string>& roots) {
  if (source.empty() || source[0] != '/' || source.find('\0') != std::string::npos) {
    return fail("'" + source + "' is not an absolute path");
  }
  std::error_code error;
  const fs::path path = fs::canonical(source, error);
  if (error) return fail("'" + source + "' cannot be resolved: " + error.message(), error.value());
  for (const std::string& allowed : roots) {
    const fs::path root = fs::canonical(allowed, error);
    if (error || root == root.root_path() || !is_within(path, root)) continue;
    if (!fs::is_directory(path, error)) return fail("'" + source + "' is not a directory");
    return path.string();
  }
  // Not where it leads: that would tell a tenant about the host.
  return fail("'" + source + "' is not below a directory that binds are allowed from");
}

}  // namespace envgate::backends::docker
