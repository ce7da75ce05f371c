// Whether records can be written: the folder's disk has room, and the last write that failed has been
// followed by one that did not. Trouble ends by itself: a small file is written to find out. Thread: the
// recorder's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace envgate::ssh::recorder {

class Disk {
 public:
  explicit Disk(std::string directory) : directory_(std::move(directory)) {}

  void set_min_free(std::uint64_t bytes) { min_free_ = bytes; }
  void failed(const Error& error);  // a write has
  // Looks at the disk, and tries it where a write has failed. Blocks as the disk does.
  void look();

  // What is wrong and the remedy; nothing: all is well.
  const std::optional<std::string>& trouble() const { return trouble_; }
  std::uint64_t free_bytes() const { return free_; }

 private:
  Result<void> try_writing() const;
  void tell(std::optional<std::string> trouble);

  const std::string directory_;
  std::uint64_t min_free_ = 0, free_ = 0;
  std::optional<std::string> failure_, trouble_;
};

}  // namespace envgate::ssh::recorder
