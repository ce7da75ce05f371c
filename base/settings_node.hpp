// What the settings engine reads before anything is typed: a tree of texts that remember their lines, and the
// list of everything that is wrong. A file becomes a Node by base/settings_yaml; a variable or `--set k=v` is
// a Node of one scalar. Values; usable on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace envgate::settings {

struct Name {
  std::string text;
  int line = 0;
};

struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  int line = 0;             // in its file, from 1; 0 where there is no file
  std::string scalar;       // kind scalar: the text, unquoted
  std::vector<Node> items;  // kind list: the elements; kind map: the values
  std::vector<Name> names;  // kind map: the key of each of `items`; may repeat, which the reader reports
};

// One thing wrong with the settings, told for the operator.
struct SettingError {
  std::string place;  // "envgate.yaml:12", "ENVGATE_WORKERS", "--set workers=x", or empty
  std::string key;    // "ssh.bind", "https.certificates[1].key", or empty
  std::string message;
  std::string to_string() const;  // "place: key: message", without the empty parts
};

using SettingErrors = std::vector<SettingError>;

// How the reader of one value says what is wrong: at which node, below its key where (such as "[1].key"), and
// what.
using Report = std::function<void(const Node& at, const std::string& below, std::string message)>;

}  // namespace envgate::settings
