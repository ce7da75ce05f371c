#include "backends/words.hpp"

#include <algorithm>

namespace envgate::backends {
namespace {

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool all_of(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return lower_or_digit(c) || extra.find(c) != std::string_view::npos; });
}

}  // namespace

bool valid_install(std::string_view text) { return !text.empty() && text.size() <= 16 && all_of(text, ""); }

bool valid_owner(std::string_view text) {
  return !text.empty() && text.size() <= 64 && lower_or_digit(text[0]) && all_of(text, "._-");
}

bool valid_user(std::string_view text) {
  return !text.empty() && text.size() <= 32 && all_of(text, "_-") && text[0] != '-' &&
         (text[0] < '0' || text[0] > '9');
}

bool one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 32 || c == 127; });
}

std::string excerpt(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out += c >= ' ' && c <= '~' ? c : ' ';
  while (!out.empty() && out.back() == ' ') out.pop_back();
  if (text.size() > most) out += "...";
  return out;
}

std::string without(std::string text, const std::string& secret) {
  for (std::size_t at; !secret.empty() && (at = text.find(secret)) != std::string::npos;) {
    text.replace(at, secret.size(), "");
  }
  return text;
}

}  // namespace envgate::backends
