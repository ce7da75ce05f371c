// What a mode of the load client was told: key=value words, and after `--` the words of a program to run.
// Everything that goes wrong in this program is thrown as Failure and ends it: a run with errors does not
// count.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace envgate::bench {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Arguments {
 public:
  Arguments(int count, char** words);  // after the mode

  // Errors: Failure when `key` was not given, or is not a number.
  const std::string& text(const std::string& key) const;
  std::uint64_t number(const std::string& key) const;
  std::uint64_t number(const std::string& key, std::uint64_t otherwise) const;
  bool has(const std::string& key) const { return values_.count(key) != 0; }
  const std::vector<std::string>& command() const { return command_; }

 private:
  std::map<std::string, std::string> values_;
  std::vector<std::string> command_;
};

}  // namespace envgate::bench
