// What a customer sends to prove who he is, and what an operator or he himself has entered: a key's blob, a
// line of authorized_keys, a signature, a certificate. Whatever is taken is written again as the same bytes.
#include <algorithm>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "gateway/ssh/auth/base64.hpp"
#include "gateway/ssh/auth/decision.hpp"

using namespace envgate;
using namespace envgate::ssh::auth;

namespace {

void check_key(std::string_view input) {
  const auto key = parse_public_key(input);
  if (!key) return;
  CHECK(key->blob() == input);
  CHECK(key->fingerprint().size() == 50);
  const auto line = parse_authorized_key(std::string(key->name()) + " " + base64(input));
  CHECK(line && line->key == *key && line->comment.empty());
}

void check_line(std::string_view input) {
  const auto line = parse_authorized_key(input);
  if (!line) return;
  const std::string text = std::string(line->key.name()) + " " + base64(line->key.blob());
  CHECK(input.find(text.substr(text.find(' ') + 1)) != input.npos);
  const auto again = parse_authorized_key(line->comment.empty() ? text : text + " " + line->comment);
  CHECK(again && again->key == line->key && again->comment == line->comment);
}

void check_signature(std::string_view input) {
  const auto signature = parse_signature(input);
  if (!signature) return;
  CHECK(signature->blob() == input);
  PublicKey other;  // no signature here is of this key
  other.point.assign(32, '\x05');
  CHECK(!verify(other, *signature, input));
}

void check_certificate(std::string_view input) {
  const auto certificate = parse_certificate(input);
  if (!certificate) return;
  CHECK(certificate->blob() == input);
  const std::string principal = certificate->principals.empty() ? "" : certificate->principals.back();
  const std::chrono::sys_seconds now(std::chrono::seconds(1'800'000'000));
  CHECK(!decide({*certificate, principal, IpAddress(), now, {}}));
  const auto decided = decide({*certificate, principal, IpAddress(), now, {&certificate->ca, 1}});
  if (decided)
    CHECK(!principal.empty() && certificate->kind == Certificate::kUser);
  else
    CHECK(!decided.error().text.empty() && !name(decided.error().reason).empty());
}

void check_wire(std::string_view input) {
  Reader reader(input);
  std::string_view number, list;
  if (reader.mpint(number)) CHECK(input.starts_with(Writer().mpint(number).bytes()));
  if (!Reader(input).name_list(list)) return;
  std::size_t names = 0;
  while (!list.empty()) names += next_name(list).size();
  CHECK(names <= input.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_key(input);
  check_line(input);
  check_signature(input);
  check_certificate(input);
  check_wire(input);
  return 0;
}
