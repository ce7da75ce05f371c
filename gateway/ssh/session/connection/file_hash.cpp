#include "gateway/ssh/session/connection/file_hash.hpp"

#include "base/check.hpp"

namespace envgate::ssh::session {

bool FileHash::follows(std::uint64_t offset) {
  if (offset != size_) given_up_ = true;
  return !given_up_;
}

void FileHash::add(std::string_view bytes) {
  if (given_up_) return;
  if (context_ == nullptr) {
    context_.reset(EVP_MD_CTX_new());
    CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  size_ += bytes.size();
}

std::string FileHash::hexadecimal() {
  if (given_up_) return {};
  add({});  // a file of no bytes has a hash, too
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
  given_up_ = true;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned at = 0; at < size; ++at) {
    text += kDigits[digest[at] >> 4];
    text += kDigits[digest[at] & 15];
  }
  return text;
}

}  // namespace envgate::ssh::session
