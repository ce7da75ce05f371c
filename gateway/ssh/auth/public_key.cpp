#include "gateway/ssh/auth/public_key.hpp"

#include <algorithm>
#include <bit>

#include "gateway/ssh/auth/base64.hpp"
#include "gateway/ssh/auth/evp.hpp"

namespace envgate::ssh::auth {
namespace {

constexpr std::string_view kBlank = " \t";

std::size_t bits(std::string_view magnitude) {
  if (magnitude.empty()) return 0;
  const auto top = static_cast<std::uint8_t>(magnitude[0]);
  return 8 * (magnitude.size() - 1) + static_cast<std::size_t>(std::bit_width(top));
}

bool is_odd(std::string_view magnitude) { return !magnitude.empty() && (magnitude.back() & 1); }

Failure cut_short(const KeyTypeFacts& of_type) {
  return fail("the " + std::string(of_type.name) +
              " key is cut short, or a field of it is not as it must be");
}

Result<PublicKey> read_rsa(Reader& reader, const KeyTypeFacts& of_type) {
  std::string_view e, n;
  if (!reader.mpint(e) || !reader.mpint(n)) return cut_short(of_type);
  if (bits(n) < kRsaBitsMin || bits(n) > kRsaBitsMax)
    return fail("the RSA key has " + std::to_string(bits(n)) + " bits; " + std::to_string(kRsaBitsMin) +
                " to " + std::to_string(kRsaBitsMax) + " are accepted");
  if (!is_odd(n)) return fail("the RSA key's modulus is even: it is no product of two primes");
  if (!is_odd(e) || bits(e) < 2 || e.size() > kExponentBytesMax)
    return fail("the RSA key's exponent must be odd, 3 or more, and of at most 64 bits");
  PublicKey key;
  key.type = of_type.type;
  key.exponent = e;
  key.modulus = n;
  return key;
}

Result<PublicKey> read_ed25519(Reader& reader, const KeyTypeFacts& of_type) {
  std::string_view point;
  if (!reader.string(point)) return cut_short(of_type);
  if (point.size() != of_type.scalar)
    return fail("an Ed25519 key has " + std::to_string(of_type.scalar) + " bytes, and not " +
                std::to_string(point.size()));
  PublicKey key;
  key.type = of_type.type;
  key.point = point;
  return key;
}

Result<PublicKey> read_ecdsa(Reader& reader, const KeyTypeFacts& of_type) {
  std::string_view curve, point;
  if (!reader.string(curve) || !reader.string(point)) return cut_short(of_type);
  if (curve != of_type.curve)
    return fail("the " + std::string(of_type.name) + " key names the curve " + shown(curve));
  if (point.size() != 1 + 2 * of_type.scalar || point[0] != 0x04)
    return fail("the " + std::string(of_type.name) + " key's point is not in its uncompressed form");
  PublicKey key;
  key.type = of_type.type;
  key.point = point;
  // The group's order is prime, so a point on the curve is one of the group; infinity has no such form.
  if (!evp_accepts(key)) return fail("the " + std::string(of_type.name) + " key's point is not on its curve");
  return key;
}

bool is_comment(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

// The first word of `text`, which is then what follows it and the blanks behind it.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find_first_of(kBlank));
  text.remove_prefix(word.size());
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return word;
}

Failure unknown_type(std::string_view type, std::string_view rest) {
  if (key_type_by_certificate_name(type) != nullptr)
    return fail(shown(type) + " is a certificate; give the plain key");
  while (!rest.empty())
    if (key_type_by_name(take_word(rest)) != nullptr)
      return fail("options before a key are not accepted, and " + shown(type) +
                  " looks like one; give the key's type, its base64 text and a comment");
  return fail("keys of the type " + shown(type) + " are not accepted");
}

}  // namespace

std::string PublicKey::blob() const {
  Writer writer;
  writer.string(name());
  write_key_fields(writer, *this);
  return std::move(writer).bytes();
}

std::string PublicKey::fingerprint() const {
  std::string text = "SHA256:" + base64(sha256(blob()));
  text.pop_back();  // 32 bytes end in one '=', which OpenSSH leaves out
  return text;
}

Result<PublicKey> read_key_fields(Reader& reader, KeyType type) {
  const KeyTypeFacts& of_type = facts(type);
  auto key = of_type.mathematics == Mathematics::rsa       ? read_rsa(reader, of_type)
             : of_type.mathematics == Mathematics::ed25519 ? read_ed25519(reader, of_type)
                                                           : read_ecdsa(reader, of_type);
  if (!key || !of_type.security_key) return key;
  std::string_view application;
  if (!reader.string(application)) return cut_short(of_type);
  if (application.empty() || application.size() > kApplicationMax ||
      application.find('\0') != application.npos)
    return fail("a security key's application must be a text of 1 to " + std::to_string(kApplicationMax) +
                " bytes");
  key->application = application;
  return key;
}

void write_key_fields(Writer& writer, const PublicKey& key) {
  const KeyTypeFacts& of_type = facts(key.type);
  switch (of_type.mathematics) {
    case Mathematics::rsa: writer.mpint(key.exponent).mpint(key.modulus); break;
    case Mathematics::ed25519: writer.string(key.point); break;
    case Mathematics::ecdsa: writer.string(of_type.curve).string(key.point); break;
  }
  if (of_type.security_key) writer.string(key.application);
}

Result<PublicKey> parse_public_key(std::string_view blob) {
  Reader reader(blob);
  std::string_view name;
  if (!reader.string(name)) return fail("the key is cut short before its type");
  const KeyTypeFacts* const of_type = key_type_by_name(name);
  if (of_type == nullptr) return unknown_type(name, {});
  auto key = read_key_fields(reader, of_type->type);
  if (key && !reader.at_end())
    return fail(std::to_string(reader.rest().size()) + " bytes follow the " + std::string(name) + " key");
  return key;
}

Result<AuthorizedKey> parse_authorized_key(std::string_view line) {
  if (!is_comment(line)) return fail("the line of the key has control characters");
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  line.remove_suffix(line.size() - std::min(line.find_last_not_of(kBlank) + 1, line.size()));
  if (line.empty() || line[0] == '#') return fail("there is no key in the line");
  std::string_view rest = line;
  const std::string_view type = take_word(rest);
  if (key_type_by_name(type) == nullptr) return unknown_type(type, rest);
  const auto blob = from_base64(take_word(rest));
  if (!blob || blob->empty()) return fail("what follows " + std::string(type) + " is not base64");
  auto key = parse_public_key(*blob);
  if (!key) return tl::unexpected(std::move(key.error()));
  if (key->name() != type)
    return fail("the line says " + std::string(type) + ", but its key is of the type " +
                std::string(key->name()));
  return AuthorizedKey{std::move(*key), std::string(rest)};
}

}  // namespace envgate::ssh::auth
