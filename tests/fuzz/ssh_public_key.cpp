// Lines that operators and gateways give as public keys.
#include <string>

#include "base/check.hpp"
#include "control/secrets/ssh_key.hpp"
#include "control/secrets/ssh_wire.hpp"

using namespace envgate::control::secrets;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto fingerprint = fingerprint_of(text);
  const auto blob = ed25519_blob(text);
  if (fingerprint) CHECK(fingerprint->size() == 50 && fingerprint->starts_with("SHA256:"));
  if (blob) {
    // What was understood is all of it: the same key, written by us, has the same fingerprint.
    CHECK(blob->size() == 51 && fingerprint);
    CHECK(fingerprint_of("ssh-ed25519 " + base64(*blob)) == fingerprint);
  }
  std::string_view in = text;
  while (take_string(in)) CHECK(in.size() < text.size());
  return 0;
}
