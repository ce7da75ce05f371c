#include "arguments.hpp"

namespace envgate::bench {

Arguments::Arguments(int count, char** words) {
  for (int i = 0; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--") {
      command_.assign(words + i + 1, words + count);
      return;
    }
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) throw Failure("expected key=value, got " + word);
    values_[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

const std::string& Arguments::text(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) throw Failure(key + "=... is missing");
  return found->second;
}

std::uint64_t Arguments::number(const std::string& key) const {
  const std::string& value = text(key);
  if (value.empty() || value.find_first_not_of("0123456789") != std::string::npos) {
    throw Failure(key + "=" + value + " is not a number");
  }
  return std::stoull(value);
}

std::uint64_t Arguments::number(const std::string& key, std::uint64_t otherwise) const {
  return has(key) ? number(key) : otherwise;
}

}  // namespace envgate::bench
