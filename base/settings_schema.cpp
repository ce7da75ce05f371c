#include "base/settings_schema.hpp"

#include <algorithm>
#include <cctype>

#include "base/check.hpp"

namespace envgate::settings {
namespace {

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string nearest(std::string_view unknown, const std::vector<std::string>& known) {
  constexpr std::size_t kLongest = 64;  // nothing that is longer is near a key; and it bounds the work
  if (unknown.size() > kLongest) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, unknown.size() / 4) + 1;
  for (const std::string& name : known) {
    const std::size_t longer = std::max(name.size(), unknown.size());
    if (longer - std::min(name.size(), unknown.size()) >= best_distance) continue;  // the least it could be
    const std::size_t distance = edit_distance(unknown, name);
    if (distance < best_distance) best_distance = distance, best = name;
  }
  return best;
}

std::string did_you_mean(const std::string& name) {
  return name.empty() ? "" : "; did you mean '" + name + "'?";
}

std::string_view last_part(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

// https://kubernetes.io/docs/concepts/containers/container-environment/: <SERVICE>_SERVICE_HOST,
// _SERVICE_PORT[_name], and the older _PORT, _PORT_<n>_TCP[_PROTO|_PORT|_ADDR].
bool is_kubernetes_link(std::string_view variable, std::string_view value) {
  if (variable.find("_SERVICE_HOST") != std::string_view::npos) return true;
  if (variable.find("_SERVICE_PORT") != std::string_view::npos) return true;
  const auto port = variable.find("_PORT_");
  if (port != std::string_view::npos && port + 6 < variable.size() &&
      std::isdigit(static_cast<unsigned char>(variable[port + 6])))
    return true;
  return variable.ends_with("_PORT") && value.find("://") != std::string_view::npos;
}

}  // namespace

void KeyTable::add(Key key) {
  CHECK(find(key.name) == npos);
  CHECK(find_variable(variable_of(key)) == npos);
  keys_.push_back(std::move(key));
}

std::size_t KeyTable::find(std::string_view name) const {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i].name == name) return i;
  return npos;
}

bool KeyTable::is_section(std::string_view name) const {
  const std::string prefix = std::string(name) + ".";
  return std::any_of(keys_.begin(), keys_.end(),
                     [&](const Key& key) { return key.name.starts_with(prefix); });
}

bool KeyTable::is_other_program(std::string_view name) const {
  return name.find('.') == std::string_view::npos &&
         std::any_of(naming_.other_sections.begin(), naming_.other_sections.end(),
                     [&](const std::string& other) { return other == "*" || other == name; });
}

std::string KeyTable::suggest(std::string_view unknown) const {
  std::vector<std::string> names;
  std::string same_end;
  std::size_t same_ends = 0;
  for (const Key& key : keys_) {
    names.push_back(key.name);
    for (auto dot = key.name.find('.'); dot != std::string::npos; dot = key.name.find('.', dot + 1))
      names.push_back(key.name.substr(0, dot));
    if (last_part(key.name) == last_part(unknown)) same_end = key.name, ++same_ends;
  }
  const std::string near = nearest(unknown, names);
  if (near.empty() && same_ends == 1) return did_you_mean(same_end);
  return did_you_mean(near);
}

std::string KeyTable::variable_of(const Key& key) const {
  std::string out = naming_.variable_prefix;
  for (const char c : key.name)
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::size_t KeyTable::find_variable(std::string_view variable) const {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (variable_of(keys_[i]) == variable) return i;
  return npos;
}

std::string KeyTable::suggest_variable(std::string_view unknown) const {
  std::vector<std::string> names;
  for (const Key& key : keys_) names.push_back(variable_of(key));
  return did_you_mean(nearest(unknown, names));
}

bool KeyTable::claims_variable(std::string_view variable, std::string_view value) const {
  if (!variable.starts_with(naming_.variable_prefix)) return false;
  if (find_variable(variable) != npos) return true;
  for (const std::string& other : naming_.other_variables) {
    const bool open = other.ends_with('*');
    if (open ? variable.starts_with(other.substr(0, other.size() - 1)) : variable == other) return false;
  }
  return !is_kubernetes_link(variable, value);
}

}  // namespace envgate::settings
