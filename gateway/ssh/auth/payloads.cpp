#include "gateway/ssh/auth/payloads.hpp"

#include "base/utf8.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::auth {

std::string failure_payload(std::span<const std::string_view> methods, bool partial_success) {
  return Writer().byte(kUserauthFailure).name_list(methods).boolean(partial_success).bytes();
}

std::string pk_ok_payload(std::string_view algorithm, std::string_view key_blob) {
  return Writer().byte(kUserauthPkOk).string(algorithm).string(key_blob).bytes();
}

std::string info_request_payload(std::string_view prompt) {
  // name, instruction, language: empty; one prompt, without echo
  return Writer()
      .byte(kUserauthInfoRequest)
      .string("")
      .string("")
      .string("")
      .uint32(1)
      .string(prompt)
      .boolean(false)
      .bytes();
}

std::string banner_payload(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    const std::string_view piece = text.substr(at, length == 0 ? 1 : length);
    at += piece.size();
    if (piece == "\r" && text.substr(at).starts_with('\n')) continue;
    const bool clean = length != 0 && (is_printable_utf8(piece) || piece == "\t");
    const std::string_view written = piece == "\n" ? "\r\n" : clean ? piece : "?";
    if (shown.size() + written.size() > kBannerMax) break;
    shown += written;
  }
  return Writer().byte(kUserauthBanner).string(shown).string("").bytes();
}

}  // namespace envgate::ssh::auth
