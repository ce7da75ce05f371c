// Routes from a YAML file, read again when it changes: by inotify on its directory (so that a file moved over
// it is seen), and by a look at its inode and times every two seconds, for file systems and symbolic links
// that do not tell. A bad file is logged and counted, and the last good routes stay. Thread: the routing
// thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "routing/source.hpp"

namespace envgate::routing {

class FileSource : public Source {
 public:
  FileSource(SourceHost& host, std::string path);
  ~FileSource() override;

  void start() override;
  void stop() override;
  void ask(const EnvId& env) override { host_.answered(env); }  // the table is the whole file
  void reload() override { load(); }
  bool expires() const override { return false; }

 private:
  struct Stamp {  // what tells one content from another without reading it
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t modified = 0, changed = 0;  // nanoseconds
    bool operator==(const Stamp&) const = default;
  };
  Stamp stamp() const;
  void watch_directory();
  void on_inotify();
  void look();  // by the clock
  void load();
  void load_soon();

  SourceHost& host_;
  const std::string path_;
  int inotify_fd_ = -1;
  Loop::TimerId soon_ = 0, clock_ = 0;
  Stamp loaded_, last_look_;
  std::uint64_t loads_ = 0;
};

}  // namespace envgate::routing
