// How envctl ends, for scripts.
#pragma once

namespace envgate::cli {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,       // it was asked, and said no (or: not ready)
  kMisuse = 2,       // the command line makes no sense
  kUnreachable = 3,  // nobody could be asked
};

}  // namespace envgate::cli
