#include "gateway/http/private_cookie.hpp"

#include <algorithm>

#include "gateway/http/fields.hpp"

namespace envgate::http {
namespace {

std::string_view take_piece(std::string_view& rest) {
  const std::size_t semicolon = rest.find(';');
  const std::string_view piece = rest.substr(0, semicolon);
  rest = semicolon == std::string_view::npos ? std::string_view() : rest.substr(semicolon + 1);
  return piece;
}

bool is_private(std::string_view piece) {
  return trim(piece.substr(0, piece.find('='))) == kPrivateCookie;
}

}  // namespace

bool next_private_cookie(std::string_view& rest, std::string_view& value) {
  while (!rest.empty()) {
    const std::string_view piece = take_piece(rest);
    if (!is_private(piece)) continue;
    const std::size_t equals = piece.find('=');
    value = equals == std::string_view::npos ? std::string_view() : trim(piece.substr(equals + 1));
    return true;
  }
  return false;
}

std::string_view without_private_cookie(std::string_view value, std::string& scratch) {
  if (value.find(kPrivateCookie) == std::string_view::npos) return value;
  scratch.clear();
  bool removed = false, kept = false;
  for (std::string_view rest = value;;) {
    // A ';' at the very end has an empty piece behind it, which stays, too.
    const bool last = rest.find(';') == std::string_view::npos;
    std::string_view piece = take_piece(rest);
    if (is_private(piece)) {
      removed = true;
    } else {
      if (kept) scratch += ';';
      // The first one now: the space was between it and ours.
      else if (removed) piece.remove_prefix(std::min(piece.find_first_not_of(" \t"), piece.size()));
      scratch += piece;
      kept = true;
    }
    if (last) break;
  }
  return removed ? std::string_view(scratch) : value;
}

bool sets_private_cookie(std::string_view value) {
  std::string_view pair = trim(take_piece(value));
  // "=name" and "name" are cookies without a name; older browsers send the latter's value bare, where it
  // would read as ours.
  while (pair.starts_with('=')) pair = trim(pair.substr(1));
  return is_private(pair);
}

}  // namespace envgate::http
