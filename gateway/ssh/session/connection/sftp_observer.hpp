// Looks on at SFTP version 3, both ways: one event for each file whose handle is closed, and for each
// operation on a name, with the target's own word on whether it succeeded. Requests and answers are matched
// by their numbers, so answers may come in any order; a file's hash needs its bytes in theirs
// (file_hash.hpp). Thread: the session's. Owns: what is known of open handles and of requests without an
// answer, both bounded. Source: draft-ietf-secsh-filexfer-02; OpenSSH's PROTOCOL section 4 for the
// extensions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/connection/file_hash.hpp"
#include "gateway/ssh/session/connection/file_observer.hpp"
#include "gateway/ssh/session/connection/sftp_packets.hpp"

namespace envgate::ssh::session {

class SftpObserver final : public FileObserver {
 public:
  SftpObserver(std::uint32_t channel, const Sink& sink);

 private:
  // What went over one handle in one direction.
  struct Movement {
    FileHash hash;
    std::uint64_t bytes = 0;
    std::uint64_t ends_at = ~std::uint64_t{0};  // reads from there on found nothing
  };
  struct File {
    std::string path;
    bool directory = false, reads = false, writes = false;
    bool keeps_old =
        false;  // it was not emptied: what is behind the bytes written may be what it held before
    Movement read, written;
    std::uint64_t size = ~std::uint64_t{0};  // as the target told it, where it did
    std::string failure;                     // the first one
  };
  using FilePointer = std::shared_ptr<File>;

  enum class Kind : std::uint8_t { other, open, close, read, write, stat, fstat, named };
  struct Request {
    Kind kind = Kind::other;
    FilePointer file;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    const char* operation = "";  // of a named one
    std::string path, to_path;
  };
  static std::size_t bytes_kept(const Request& request);
  using Requests = std::unordered_map<std::uint32_t, Request>;

  struct OfClient final : sftp::Packets::Reader {
    explicit OfClient(SftpObserver& observer) : all(observer) {}
    bool packet(const sftp::Packets::Packet& packet) override { return all.request(packet); }
    void bulk(std::string_view bytes) override { all.bulk_written(bytes); }
    void packet_end() override { all.writing_ = nullptr; }
    SftpObserver& all;
  };
  struct OfTarget final : sftp::Packets::Reader {
    explicit OfTarget(SftpObserver& observer) : all(observer) {}
    bool packet(const sftp::Packets::Packet& packet) override { return all.answer(packet); }
    void bulk(std::string_view bytes) override { all.bulk_read(bytes); }
    void packet_end() override { all.reading_ = nullptr; }
    SftpObserver& all;
  };

  void look(Side from, std::string_view bytes) override;
  void finish() override;

  // sftp_requests.cpp: what the client asks. False: that is no SFTP.
  bool request(const sftp::Packets::Packet& packet);
  bool read_request(const sftp::Packets::Packet& packet, auth::Reader body, Request& request);
  bool read_open(bool directory, auth::Reader body, Request& request);
  bool read_transfer(bool write, std::uint32_t rest, auth::Reader body, Request& request);
  bool read_named(std::uint8_t type, auth::Reader body, Request& request);
  bool read_setstat(const char* operation, auth::Reader body, Request& request);
  bool read_extended(auth::Reader body, Request& request);
  FilePointer file_of(std::string_view handle) const;
  bool remember(std::uint32_t id, Request& request);

  // What the target answers. False: that is no SFTP.
  bool answer(const sftp::Packets::Packet& packet);
  bool status(Request& request, auth::Reader body);
  bool handle(Request& request, auth::Reader body);
  bool data(Request& request, std::uint32_t rest, auth::Reader body);
  bool attributes(Request& request, auth::Reader body);
  void settle(Request& request, std::uint32_t code);
  void bulk_written(std::string_view bytes);
  void bulk_read(std::string_view bytes);
  void tell_file(File& file, const std::string& result);
  void tell_movement(File& file, bool written, const std::string& result);
  void tell_named(const Request& request, const std::string& result);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  OfClient of_client_{*this};
  OfTarget of_target_{*this};
  sftp::Packets from_client_, from_target_;
  bool client_began_ = false, target_began_ = false;
  std::unordered_map<std::string, FilePointer, Hash, std::equal_to<>> handles_;
  Requests requests_;
  std::vector<Requests::node_type> spare_;  // a request comes with each piece of a file: its memory is kept
  std::size_t kept_ = 0;                    // bytes of paths, in both
  FilePointer writing_, reading_;           // whose bytes the packet brings that goes by
  std::string stat_path_;                   // the last that was told the size of, for who opens it next
  std::uint64_t stat_size_ = 0;
};

}  // namespace envgate::ssh::session
