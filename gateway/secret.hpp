// What must not stay in memory: a password or a key that a person typed or was given. It is wiped when it is
// destroyed, and moving it moves its one copy (a std::string leaves short ones behind). Thread: any.
// Owns: its bytes.
#pragma once

#include <openssl/crypto.h>

#include <string_view>
#include <utility>
#include <vector>

namespace envgate::gateway {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) {
    bytes_.reserve(bytes.size() + 1);  // at once: growing would leave copies
    bytes_.assign(bytes.begin(), bytes.end());
    bytes_.push_back('\0');
  }
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    return *this;
  }
  ~Secret() { wipe(); }

  void wipe() {
    if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
    bytes_.clear();
  }
  bool empty() const { return bytes_.size() <= 1; }
  std::string_view view() const { return {c_str(), bytes_.empty() ? 0 : bytes_.size() - 1}; }
  const char* c_str() const { return bytes_.empty() ? "" : bytes_.data(); }

 private:
  std::vector<char> bytes_;  // with a NUL at the end, or none at all
};

}  // namespace envgate::gateway
