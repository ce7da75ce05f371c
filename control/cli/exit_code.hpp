// How envctl ends, for scripts. "Nobody answers there" is a failure like another: what a script can do about
// it is the same, and the message says what the operator can.
#pragma once

namespace envgate::cli {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,    // asked, and refused or failed (or: not ready); or nobody could be asked
  kMisuse = 2,    // the command line makes no sense
  kNotFound = 3,  // what was named is not there
  kConflict = 4,  // it is not in a state for this, has changed meanwhile, or a name means several
  kTimedOut = 5,  // --wait came to its end before the operation did
};

// Of an HTTP answer from 400 on, whichever server it is of.
constexpr ExitCode exit_code_of(int status) {
  if (status == 404) return kNotFound;
  return status == 409 || status == 412 ? kConflict : kFailed;
}

}  // namespace envgate::cli
