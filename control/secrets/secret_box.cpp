#include "control/secrets/secret_box.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/check.hpp"
#include "base/fd.hpp"

namespace envgate::control::secrets {
namespace {

constexpr int kBase64 = sodium_base64_VARIANT_ORIGINAL;
constexpr std::size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;

// Under another name first, so that no half-written key is ever found there.
Result<void> make_key_file(const std::string& path) {
  std::array<unsigned char, 32> key;
  randombytes_buf(key.data(), key.size());
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file)
    return fail_errno("make the key file " + fresh + " (its folder must be there, and writable)", errno);
  const bool good = ::write(file.get(), key.data(), key.size()) == ssize_t{32} && ::fsync(file.get()) == 0;
  sodium_memzero(key.data(), key.size());
  if (!good || ::link(fresh.c_str(), path.c_str()) != 0) {
    const int why = errno;
    ::unlink(fresh.c_str());
    if (good && why == EEXIST) return {};  // another start was first
    return fail_errno("make the key file " + path, why);
  }
  ::unlink(fresh.c_str());
  return {};
}

}  // namespace

SecretBox::~SecretBox() { sodium_memzero(key_.data(), key_.size()); }

Result<SecretBox> SecretBox::open(const std::string& path, bool create) {
  CHECK(sodium_init() >= 0);
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT && create) {
    if (auto made = make_key_file(path); !made) return Failure(made.error());
    file = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  if (!file && errno == ENOENT)
    return fail("key file " + path +
                " is not there, and the database has secrets that were sealed with it:"
                " bring it back from its backup");
  if (!file) return fail_errno("key file " + path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno("key file " + path, errno);
  if ((status.st_mode & 077) != 0)
    return fail("key file " + path + " may be read by others than its owner: chmod 600 it");
  SecretBox box;
  unsigned char more = 0;
  if (::read(file.get(), box.key_.data(), box.key_.size()) != ssize_t{32} ||
      ::read(file.get(), &more, 1) != 0)
    return fail("key file " + path + " has not 32 bytes: bring it back from its backup");
  return box;
}

std::string SecretBox::seal(const Secret& secret, std::string_view belongs_to) const {
  const std::string& clear = secret.reveal();
  std::vector<unsigned char> bytes(kNonce + clear.size() + kTag);
  randombytes_buf(bytes.data(), kNonce);
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      bytes.data() + kNonce, nullptr, reinterpret_cast<const unsigned char*>(clear.data()), clear.size(),
      reinterpret_cast<const unsigned char*>(belongs_to.data()), belongs_to.size(), nullptr, bytes.data(),
      key_.data());
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), kBase64), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kBase64);
  text.pop_back();  // the terminating zero
  return text;
}

Result<Secret> SecretBox::unseal(std::string_view sealed, std::string_view belongs_to) const {
  std::vector<unsigned char> bytes(sealed.size());
  std::size_t size = 0;
  const bool decoded = sodium_base642bin(bytes.data(), bytes.size(), sealed.data(), sealed.size(), nullptr,
                                         &size, nullptr, kBase64) == 0;
  if (decoded && size >= kNonce + kTag) {
    std::string clear(size - kNonce - kTag, '\0');
    const int opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
        reinterpret_cast<unsigned char*>(clear.data()), nullptr, nullptr, bytes.data() + kNonce,
        size - kNonce, reinterpret_cast<const unsigned char*>(belongs_to.data()), belongs_to.size(),
        bytes.data(), key_.data());
    Secret secret(clear);
    sodium_memzero(clear.data(), clear.size());
    if (opened == 0) return secret;
  }
  return fail("a sealed secret does not open: it was changed, or sealed with another key file");
}

}  // namespace envgate::control::secrets
