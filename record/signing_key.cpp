#include "record/signing_key.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.hpp"
#include "record/digest.hpp"

namespace envgate::record {
namespace {

using Seed = std::array<unsigned char, 32>;
constexpr std::size_t kFileSize = 65;  // 64 digits and a newline

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Result<void> write_whole(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write " + path, errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return fail_errno("fsync " + path, errno);
  return {};
}

// `path` appears with all of `text` or not at all, and is never replaced. False: it was there already.
Result<bool> write_new(const std::string& path, std::string_view text, mode_t mode) {
  std::array<unsigned char, 8> random;
  randombytes_buf(random.data(), random.size());
  const std::string draft = path + "." + to_hex(random) + ".new";
  const Fd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno("create " + draft, errno);
  const auto written = write_whole(fd.get(), text, draft);
  const int linked = written ? ::link(draft.c_str(), path.c_str()) : 0;
  const int problem = errno;
  ::unlink(draft.c_str());
  if (!written) return tl::unexpected(written.error());
  if (linked != 0 && problem != EEXIST) return fail_errno("create " + path, problem);
  return linked == 0;
}

Result<std::string> read_small(int fd, const std::string& path) {
  std::string text(kFileSize + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path, errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return text;
}

bool read_digits(std::string_view text, std::span<unsigned char> out) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return from_hex(text, out);
}

Result<void> check_private(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno("stat " + path, errno);
  if (!S_ISREG(info.st_mode)) return fail(path + " is no file: give the path of the key's own file");
  if ((info.st_mode & 077) != 0)
    return fail(path + " may be read by others: chmod 600 " + path +
                ", or, if others may have read it, move it away so that a new one is made");
  return {};
}

}  // namespace

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

SigningKey SigningKey::from_seed(const Seed& seed) {
  SigningKey key;
  crypto_sign_seed_keypair(key.public_.data(), key.secret_.data(), seed.data());
  return key;
}

Result<SigningKey> SigningKey::open(const std::string& path, bool create) {
  if (sodium_init() < 0) return fail("libsodium does not start: is there a random source (/dev/urandom)?");
  Seed seed{};
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT && create) {
    randombytes_buf(seed.data(), seed.size());
    std::string text = to_hex(seed) + "\n";
    const auto made = write_new(path, text, 0600);
    sodium_memzero(text.data(), text.size());
    if (!made) return tl::unexpected(made.error());
    fd = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  if (!fd) return fail_errno("open the key file " + path, errno);
  if (auto good = check_private(fd.get(), path); !good) return tl::unexpected(good.error());
  auto text = read_small(fd.get(), path);
  if (!text) return tl::unexpected(text.error());
  const bool read = read_digits(*text, seed);
  sodium_memzero(text->data(), text->size());
  if (!read) return fail(path + " holds no key (64 hexadecimal digits): restore it, or move it away");
  SigningKey key = from_seed(seed);
  sodium_memzero(seed.data(), seed.size());
  const std::string beside = path + ".pub";
  if (::access(beside.c_str(), F_OK) != 0)
    if (const auto made = write_new(beside, to_hex(key.public_) + "\n", 0644); !made)
      return tl::unexpected(made.error());
  return key;
}

Signature SigningKey::sign(std::string_view message) const {
  Signature out;
  crypto_sign_detached(out.data(), nullptr, bytes_of(message), message.size(), secret_.data());
  return out;
}

Result<PublicKey> read_public_key(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open the public key " + path, errno);
  const auto text = read_small(fd.get(), path);
  if (!text) return tl::unexpected(text.error());
  PublicKey key;
  if (!read_digits(*text, key))
    return fail(path +
                " holds no public key: give the file that ends in .pub, beside the gateway's key file");
  return key;
}

bool is_signed_by(const PublicKey& key, std::string_view message, const Signature& signature) {
  return crypto_sign_verify_detached(signature.data(), bytes_of(message), message.size(), key.data()) == 0;
}

}  // namespace envgate::record
