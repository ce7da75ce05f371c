// One direction of an SFTP connection, cut into packets as it goes by: of each packet its head is kept, up to
// a bound, and what is behind the head is handed on in pieces as it comes, uncopied. Thread: the session's.
// Owns: the head of one packet. Source: draft-ietf-secsh-filexfer-02 section 3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace envgate::ssh::session::sftp {

// Types of packets.
enum Type : std::uint8_t {
  kInit = 1,
  kVersion = 2,
  kOpen = 3,
  kClose = 4,
  kRead = 5,
  kWrite = 6,
  kLstat = 7,
  kFstat = 8,
  kSetstat = 9,
  kFsetstat = 10,
  kOpendir = 11,
  kReaddir = 12,
  kRemove = 13,
  kMkdir = 14,
  kRmdir = 15,
  kRealpath = 16,
  kStat = 17,
  kRename = 18,
  kReadlink = 19,
  kSymlink = 20,
  kStatus = 101,
  kHandle = 102,
  kData = 103,
  kName = 104,
  kAttrs = 105,
  kExtended = 200,
  kExtendedReply = 201,
};

inline constexpr std::uint32_t kPacketMax = 1 << 20;  // OpenSSH takes 256 KiB
inline constexpr std::size_t kHeadMax = 10 * 1024;    // two paths, and attributes
inline constexpr std::size_t kHandleMax = 256;        // section 6.3

class Packets {
 public:
  struct Packet {
    std::uint8_t type;
    std::string_view head;  // without length and type; of READ's data and WRITE all that is before the data
    std::uint32_t rest;     // bytes behind the head
  };
  class Reader {
   public:
    virtual bool packet(const Packet& packet) = 0;  // false: no SFTP
    virtual void bulk(std::string_view bytes) = 0;  // what is behind the head, piece by piece
    virtual void packet_end() = 0;

   protected:
    ~Reader() = default;
  };

  // False: this is no SFTP; nothing more may be fed.
  bool feed(std::string_view bytes, Reader& reader);

 private:
  std::size_t head_wanted() const;
  bool head_is_whole(Reader& reader);

  std::string head_;        // the length, the type, and what is wanted of the rest
  std::uint32_t rest_ = 0;  // bytes of the packet behind its head, still to come
};

}  // namespace envgate::ssh::session::sftp
