#include "gateway/http/websocket.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>
#include <string>

#include "base/check.hpp"

namespace envgate::http {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3

bool is_base64(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// The field's value where it is there exactly once, else null.
const std::string_view* only(const FieldList& fields, FieldId id) {
  const std::string_view* value = nullptr;
  for (const Field& field : fields) {
    if (field.id != id) continue;
    if (value != nullptr) return nullptr;
    value = &field.value;
  }
  return value;
}

// `Size` characters of base64; OpenSSL ends them with a NUL of its own.
template <std::size_t Size>
std::array<char, Size> encode(const unsigned char* bytes, int count) {
  unsigned char text[Size + 1];
  CHECK(EVP_EncodeBlock(text, bytes, count) == static_cast<int>(Size));
  std::array<char, Size> out;
  std::memcpy(out.data(), text, Size);
  return out;
}

}  // namespace

bool is_websocket_key(std::string_view key) {
  if (key.size() != kWebSocketKeySize || key.substr(22) != "==") return false;
  for (const char c : key.substr(0, 22))
    if (!is_base64(c)) return false;
  return true;
}

Verdict check_websocket_request(const RequestHead& head) {
  const std::string_view* const version = only(head.fields, FieldId::sec_websocket_version);
  if (version == nullptr) return reject(400, "no_websocket_version");
  if (*version != "13") return reject(426, "websocket_version");
  if (head.version == Version::http2) return {};  // RFC 8441 section 5: no key
  const std::string_view* const key = only(head.fields, FieldId::sec_websocket_key);
  if (key == nullptr || !is_websocket_key(*key)) return reject(400, "bad_websocket_key");
  return {};
}

std::array<char, kWebSocketKeySize> generate_websocket_key() {
  unsigned char bytes[16];
  CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
  return encode<kWebSocketKeySize>(bytes, sizeof(bytes));
}

std::array<char, kWebSocketAcceptSize> websocket_accept(std::string_view key) {
  std::string text(key);
  text += kGuid;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return encode<kWebSocketAcceptSize>(digest, sizeof(digest));
}

std::string_view websocket_key(const RequestHead& head) {
  const Field* const key = find_field(head.fields, FieldId::sec_websocket_key);
  CHECK(key != nullptr);
  return key->value;
}

Verdict check_websocket_response(const ResponseHead& head, std::string_view key) {
  const std::string_view* const accept = only(head.fields, FieldId::sec_websocket_accept);
  const auto wanted = websocket_accept(key);
  if (accept == nullptr || *accept != std::string_view(wanted.data(), wanted.size()))
    return reject(502, "bad_websocket_accept");
  return {};
}

}  // namespace envgate::http
