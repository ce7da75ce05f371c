// Values of the monitor's protocol as bytes and back: a type lists its members once, in a function fields(),
// and Writing and Reading walk that list; a variant is its alternative's number and that one's members.
// Numbers and strings are SSH's (auth/wire.hpp). Reading takes only what Writing gives: a boolean is 0 or 1,
// an enumeration one of its own values, a string no longer than `longest`; Writing cuts a longer one. Thread:
// any. Owns: nothing.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::monitor {

inline constexpr std::uint32_t kListMax = 64;  // strings in one list

template <typename Value, typename Type>
concept Is = std::same_as<std::remove_const_t<Value>, Type>;

class Writing {
 public:
  Writing(auth::Writer& writer, std::size_t longest) : writer_(writer), longest_(longest) {}

  void operator()(const auto&... values) { (one(values), ...); }
  auth::Writer& writer() { return writer_; }

 private:
  void one(bool value) { writer_.boolean(value); }
  void one(std::uint32_t value) { writer_.uint32(value); }
  void one(std::int32_t value) { writer_.uint32(static_cast<std::uint32_t>(value)); }
  void one(std::uint64_t value) { writer_.uint64(value); }
  void one(const std::string& value) { writer_.string(std::string_view(value).substr(0, longest_)); }
  void one(const std::vector<std::string>& values) {
    writer_.uint32(static_cast<std::uint32_t>(values.size()));
    for (const std::string& value : values) one(value);
  }
  template <typename Value>
  void one(const Value& value) {
    if constexpr (std::is_enum_v<Value>)
      writer_.byte(static_cast<std::uint8_t>(value));
    else
      fields(*this, value);
  }

  auth::Writer& writer_;
  std::size_t longest_;
};

// After a first failure nothing more is read: good() says whether all was.
class Reading {
 public:
  Reading(auth::Reader& reader, std::size_t longest) : reader_(reader), longest_(longest) {}

  void operator()(auto&... values) { ((good_ = good_ && one(values)), ...); }
  bool good() const { return good_; }
  void refuse() { good_ = false; }
  auth::Reader& reader() { return reader_; }

 private:
  bool one(bool& value) {
    std::uint8_t byte;
    if (!reader_.byte(byte) || byte > 1) return false;
    value = byte == 1;
    return true;
  }
  bool one(std::uint32_t& value) { return reader_.uint32(value); }
  bool one(std::int32_t& value) {
    std::uint32_t bits;
    if (!reader_.uint32(bits)) return false;
    value = static_cast<std::int32_t>(bits);
    return true;
  }
  bool one(std::uint64_t& value) { return reader_.uint64(value); }
  bool one(std::string& value) {
    std::string_view bytes;
    if (!reader_.string(bytes) || bytes.size() > longest_) return false;
    value = bytes;
    return true;
  }
  bool one(std::vector<std::string>& values) {
    std::uint32_t count;
    if (!reader_.uint32(count) || count > kListMax) return false;
    for (; count > 0; --count)
      if (!one(values.emplace_back())) return false;
    return true;
  }
  template <typename Value>
  bool one(Value& value) {
    if constexpr (std::is_enum_v<Value>) {
      std::uint8_t byte;
      if (!reader_.byte(byte) || byte > static_cast<std::uint8_t>(last_of(value))) return false;
      value = static_cast<Value>(byte);
      return true;
    } else {
      fields(*this, value);
      return good_;
    }
  }

  auth::Reader& reader_;
  std::size_t longest_;
  bool good_ = true;
};

// `longest(value)` gives the most bytes of a string in that alternative.
template <typename Variant, typename Longest>
void write_variant(auth::Writer& writer, const Variant& variant, Longest longest) {
  writer.byte(static_cast<std::uint8_t>(variant.index()));
  std::visit([&](const auto& value) { Writing(writer, longest(value))(value); }, variant);
}

template <typename Alternative, typename Variant, typename Longest>
bool read_alternative(auth::Reader& reader, Variant& out, Longest longest) {
  auto& value = out.template emplace<Alternative>();
  Reading reading(reader, longest(value));
  reading(value);
  return reading.good();
}

// False: no such alternative, or not its members. What is behind them stays in the reader.
template <typename... Alternatives, typename Longest>
bool read_variant(auth::Reader& reader, std::variant<Alternatives...>& out, Longest longest) {
  std::uint8_t index;
  if (!reader.byte(index) || index >= sizeof...(Alternatives)) return false;
  using Read = bool (*)(auth::Reader&, std::variant<Alternatives...>&, Longest);
  static constexpr Read kReads[] = {
      read_alternative<Alternatives, std::variant<Alternatives...>, Longest>...};
  return kReads[index](reader, out, longest);
}

}  // namespace envgate::ssh::monitor
