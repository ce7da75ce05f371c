#include "gateway/ssh/session/connection/sftp_packets.hpp"

#include <algorithm>

#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::session::sftp {
namespace {

constexpr std::size_t kFraming = 5;  // bytes of length and type

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  (void)auth::Reader(bytes.substr(at)).uint32(number);
  return number;
}

// Of what is bulk, or of no interest, little is kept; bytes behind length and type.
std::size_t wanted_of(std::uint8_t type, std::string_view head) {
  switch (type) {
    case kWrite: {  // id, handle, offset, length of the data
      if (head.size() < kFraming + 8) return 8;
      return 8 + std::min<std::size_t>(number_at(head, kFraming + 4), kHandleMax) + 12;
    }
    case kData: return 8;  // id, length of the data
    case kStatus: return 8;
    case kName:
    case kExtendedReply: return 4;
    case kAttrs: return 16;  // id, flags, size
    case kInit:
    case kVersion: return 4;
    default: return kHeadMax;
  }
}

}  // namespace

// How long head_ is to become before it can be read, as far as that is known by now.
std::size_t Packets::head_wanted() const {
  if (head_.size() < kFraming) return kFraming;
  const std::size_t whole = std::size_t{number_at(head_, 0)} + 4;
  return std::min(whole, kFraming + wanted_of(static_cast<std::uint8_t>(head_[4]), head_));
}

bool Packets::head_is_whole(Reader& reader) {
  const std::uint32_t length = number_at(head_, 0);
  rest_ = static_cast<std::uint32_t>(length + 4 - head_.size());
  const Packet packet{static_cast<std::uint8_t>(head_[4]), std::string_view(head_).substr(kFraming), rest_};
  if (!reader.packet(packet)) return false;
  head_.clear();
  if (rest_ == 0) reader.packet_end();
  return true;
}

bool Packets::feed(std::string_view bytes, Reader& reader) {
  while (!bytes.empty()) {
    if (rest_ > 0) {
      const std::string_view piece = bytes.substr(0, rest_);
      bytes.remove_prefix(piece.size());
      rest_ -= static_cast<std::uint32_t>(piece.size());
      reader.bulk(piece);
      if (rest_ == 0) reader.packet_end();
      continue;
    }
    const std::string_view piece = bytes.substr(0, head_wanted() - head_.size());
    bytes.remove_prefix(piece.size());
    head_ += piece;
    if (head_.size() < kFraming) continue;
    const std::uint32_t length = number_at(head_, 0);
    if (length < 5 || length > kPacketMax) return false;  // every packet has a type and a number
    if (head_.size() == head_wanted() && !head_is_whole(reader)) return false;
  }
  return true;
}

}  // namespace envgate::ssh::session::sftp
