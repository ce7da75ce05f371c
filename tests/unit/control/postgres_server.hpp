// A PostgreSQL of the test's own: a folder, a Unix socket in it, one process that ends with the object. Run
// as the user postgres, since the server refuses root.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/envgate-store-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class PostgresServer {
 public:
  explicit PostgresServer(const std::string& folder) : folder_(folder) {
    const std::string as = "cd / && runuser -u postgres -- " + programs();
    if (shell("chown postgres " + folder) != 0) return;
    if (shell(as + "/initdb -N -A trust -D " + folder + "/data >/dev/null 2>&1") != 0) return;
    // pg_ctl waits until the server answers, and ends it by the pid in its folder.
    started_ = shell(as + "/pg_ctl -w -D " + folder + "/data -l " + folder + "/log -o \"-k " + folder +
                     " -c listen_addresses=''\" start >/dev/null 2>&1") == 0;
  }
  ~PostgresServer() {
    if (started_)
      shell("cd / && runuser -u postgres -- " + programs() + "/pg_ctl -w -m immediate -D " + folder_ +
            "/data stop >/dev/null 2>&1");
  }
  std::string url() const { return started_ ? "postgres://postgres@/postgres?host=" + folder_ : ""; }
  static bool present() { return ::geteuid() == 0 && !programs().empty(); }

 private:
  static int shell(const std::string& command) { return ::system(command.c_str()); }
  static std::string programs() {
    const std::filesystem::path root = "/usr/lib/postgresql";
    if (!std::filesystem::exists(root)) return "";
    for (const auto& version : std::filesystem::directory_iterator(root))
      if (std::filesystem::exists(version.path() / "bin/initdb")) return version.path() / "bin";
    return "";
  }
  std::string folder_;
  bool started_ = false;
};
