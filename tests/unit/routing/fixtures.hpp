// What several tests of routing/ need: ids and routes in short, waiting for a condition, a directory of one's
// own.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "routing/route_json.hpp"
#include "routing/router.hpp"

namespace envgate::routing::testing {

inline EnvId id(const std::string& text) { return EnvId::parse(text).value(); }

inline RouteSpec spec(const std::string& env, const std::string& address, std::uint16_t port = 0,
                      std::uint64_t generation = 0) {
  RouteSpec spec;
  spec.env = id(env);
  spec.address = IpAddress::parse(address).value();
  spec.ssh.listen_port = port;
  spec.generation = generation;
  return spec;
}

// True as soon as `condition` is; false if it is not within `limit`.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "envgate-routing-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

inline std::string address_of(const Router& router, const std::string& env) {
  const RoutePtr route = router.get(id(env));
  return route ? route->address.to_string() : "";
}

}  // namespace envgate::routing::testing
