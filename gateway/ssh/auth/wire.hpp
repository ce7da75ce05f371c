// SSH's wire format: read from bytes that a stranger sent, and written. A read that finds too little, or what
// its type does not allow, returns false, takes nothing and leaves `out` alone; so reads are joined with &&.
// Thread: any. Owns: a reader, and the views that it gives, nothing; a writer, its bytes. The reader never
// allocates.
// Source: RFC 4251 sections 5 and 6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace envgate::ssh::auth {

inline constexpr std::size_t kNameMax = 64;  // of one name in a name-list

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool byte(std::uint8_t& out);
  [[nodiscard]] bool boolean(bool& out);  // any byte but 0 is true
  [[nodiscard]] bool uint32(std::uint32_t& out);
  [[nodiscard]] bool uint64(std::uint64_t& out);
  [[nodiscard]] bool string(std::string_view& out);
  // A number that is not negative, in its one shortest form: `magnitude` is big-endian, without leading
  // zeros, and empty for 0.
  [[nodiscard]] bool mpint(std::string_view& magnitude);
  // Names of 1 to kNameMax printable characters between commas, or none; next_name walks them.
  [[nodiscard]] bool name_list(std::string_view& out);

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  bool number(std::size_t size, std::uint64_t& out);

  std::string_view rest_;
};

// Takes the first name off a list that Reader::name_list gave.
std::string_view next_name(std::string_view& list);

class Writer {
 public:
  Writer& byte(std::uint8_t value);
  Writer& boolean(bool value) { return byte(value ? 1 : 0); }
  Writer& uint32(std::uint32_t value);
  Writer& uint64(std::uint64_t value);
  Writer& string(std::string_view value);
  Writer& mpint(std::string_view magnitude);  // big-endian; leading zeros are dropped
  Writer& name_list(std::span<const std::string_view> names);
  Writer& raw(std::string_view bytes);

  const std::string& bytes() const& { return out_; }
  std::string bytes() && { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace envgate::ssh::auth
