// A password or key on its way from the store to a target. It has no text form: nothing but `reveal` gives it
// out, so that no log line or message takes it in by accident, and its memory is wiped when it dies.
// Thread: as std::string.
#pragma once

#include <string.h>

#include <string>
#include <string_view>
#include <utility>

namespace envgate::backends {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view value) : value_(value) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) : value_(other.value_) {
    other.wipe();
  }  // a moved short string leaves a copy behind
  Secret& operator=(Secret other) {
    wipe();
    value_.swap(other.value_);
    return *this;
  }
  ~Secret() { wipe(); }

  bool empty() const { return value_.empty(); }
  const std::string& reveal() const { return value_; }

 private:
  void wipe() {
    explicit_bzero(value_.data(), value_.size());
    value_.clear();
  }
  std::string value_;
};

}  // namespace envgate::backends
