// How far an operation is, on standard error: a bar that is drawn over itself on a terminal, else a line for
// each step. A carriage return is all that it asks of a terminal. Thread: main's.
#pragma once

#include <string>

#include "control/cli/control_client.hpp"

namespace envgate::cli {

class Progress {
 public:
  Progress(std::FILE* to, bool bar) : to_(to), bar_(bar) {}
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const Json& operation);
  void end();  // leaves the bar's line

 private:
  std::FILE* to_;
  bool bar_;
  std::string shown_;
};

// "[######--------------] 3/10 pull: layer 3", at most `width` columns.
std::string progress_bar(const Json& operation, unsigned width);
// "pull: layer 3 (3/10)"; a step's numbers alone do not make another line.
std::string progress_step(const Json& operation);

}  // namespace envgate::cli
