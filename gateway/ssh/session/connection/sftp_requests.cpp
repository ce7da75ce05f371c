// SftpObserver: what the client asks.
#include <algorithm>
#include <iterator>

#include "gateway/ssh/session/connection/sftp_observer.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kRequestsMax = 4096;  // without an answer
constexpr std::size_t kPathMax = 4096;      // bytes kept
constexpr std::size_t kKeptMax = 1 << 20;   // bytes of all paths that are kept
constexpr std::uint32_t kFlagRead = 1, kFlagWrite = 2, kFlagAppend = 4, kFlagTruncate = 16, kFlagNew = 32;
constexpr std::uint32_t kHasSize = 1;

std::string path_of(std::string_view bytes) { return std::string(bytes.substr(0, kPathMax)); }

// A path's bytes; one that goes beyond the head of its packet is cut there.
bool read_path(auth::Reader& body, std::string& out) {
  std::string_view path;
  if (body.string(path)) {
    out = path_of(path);
    return true;
  }
  std::uint32_t size;
  if (!body.uint32(size) || body.rest().size() < kPathMax) return false;
  out = path_of(body.rest());
  body = auth::Reader({});
  return true;
}

bool read_two_paths(auth::Reader& body, std::string& path, std::string& to_path) {
  // Where the first one fills the head, the second is not known.
  return read_path(body, path) && (read_path(body, to_path) || path.size() == kPathMax);
}

struct Named {
  std::uint8_t type;
  const char* operation;
  bool two_paths;
};
constexpr Named kNamed[] = {
    {sftp::kRemove, "remove", false}, {sftp::kMkdir, "mkdir", false},    {sftp::kRmdir, "rmdir", false},
    {sftp::kRename, "rename", true},  {sftp::kSymlink, "symlink", true},
};

}  // namespace

bool SftpObserver::request(const sftp::Packets::Packet& packet) {
  if (!client_began_) return client_began_ = packet.type == sftp::kInit;
  auth::Reader body(packet.head);
  std::uint32_t id;
  Request request;
  return body.uint32(id) && read_request(packet, body, request) && remember(id, request);
}

bool SftpObserver::read_request(const sftp::Packets::Packet& packet, auth::Reader body, Request& request) {
  std::string_view handle;
  switch (packet.type) {
    case sftp::kOpen: return read_open(false, body, request);
    case sftp::kOpendir: return read_open(true, body, request);
    case sftp::kRead: return read_transfer(false, packet.rest, body, request);
    case sftp::kWrite: return read_transfer(true, packet.rest, body, request);
    case sftp::kClose: {
      request.kind = Kind::close;
      if (!body.string(handle)) return false;
      const auto found = handles_.find(handle);
      if (found == handles_.end()) return true;  // the target will say so
      request.file = std::move(found->second);
      kept_ -= request.file->path.size();  // and are counted with the request
      handles_.erase(found);
      return true;
    }
    case sftp::kFstat:
      request.kind = Kind::fstat;
      if (!body.string(handle)) return false;
      request.file = file_of(handle);
      return true;
    case sftp::kStat:
    case sftp::kLstat: request.kind = Kind::stat; return read_path(body, request.path);
    case sftp::kReaddir:
    case sftp::kRealpath:
    case sftp::kReadlink: return true;
    case sftp::kSetstat: return read_path(body, request.path) && read_setstat("setstat", body, request);
    case sftp::kFsetstat:
      if (!body.string(handle)) return false;
      request.file = file_of(handle);
      if (request.file != nullptr) request.path = request.file->path;
      return read_setstat("setstat", body, request);
    case sftp::kExtended: return read_extended(body, request);
    default: return read_named(packet.type, body, request);
  }
}

bool SftpObserver::read_open(bool directory, auth::Reader body, Request& request) {
  request.kind = Kind::open;
  request.file = std::make_shared<File>();
  File& file = *request.file;
  file.directory = directory;
  if (!read_path(body, file.path)) return false;
  std::uint32_t flags = 0;
  if (directory || !body.uint32(flags)) return directory || file.path.size() == kPathMax;
  file.reads = (flags & kFlagRead) != 0;
  file.writes = (flags & kFlagWrite) != 0;
  if ((flags & kFlagAppend) != 0) file.written.hash.give_up();
  file.keeps_old = (flags & (kFlagTruncate | kFlagNew)) == 0;
  if (!stat_path_.empty() && stat_path_ == file.path) file.size = stat_size_;
  return true;
}

bool SftpObserver::read_transfer(bool write, std::uint32_t rest, auth::Reader body, Request& request) {
  request.kind = write ? Kind::write : Kind::read;
  std::string_view handle;
  if (!body.string(handle) || handle.size() > sftp::kHandleMax || !body.uint64(request.offset) ||
      !body.uint32(request.length) || !body.at_end())
    return false;
  if (write && request.length != rest) return false;
  request.file = file_of(handle);
  if (write && request.file != nullptr && request.file->written.hash.follows(request.offset))
    writing_ = rest > 0 ? request.file : nullptr;
  return true;
}

bool SftpObserver::read_named(std::uint8_t type, auth::Reader body, Request& request) {
  const auto found = std::find_if(std::begin(kNamed), std::end(kNamed),
                                  [type](const Named& named) { return named.type == type; });
  if (found == std::end(kNamed)) return false;
  request.kind = Kind::named;
  request.operation = found->operation;
  if (found->two_paths) return read_two_paths(body, request.path, request.to_path);
  return read_path(body, request.path);
}

// A file's length that is set cuts or lengthens what was written; set to just that, as OpenSSH's scp does at
// the end, it cuts off what the file held before.
bool SftpObserver::read_setstat(const char* operation, auth::Reader body, Request& request) {
  request.kind = Kind::named;
  request.operation = operation;
  std::uint32_t flags;
  std::uint64_t size;
  if (request.file == nullptr || !body.uint32(flags) || (flags & kHasSize) == 0) return true;
  if (body.uint64(size) && size == request.file->written.hash.size())
    request.file->keeps_old = false;
  else
    request.file->written.hash.give_up();
  return true;
}

bool SftpObserver::read_extended(auth::Reader body, Request& request) {
  std::string_view name;
  if (!body.string(name) || name.size() > sftp::kHandleMax) return false;
  request.kind = Kind::named;
  if (name == "posix-rename@openssh.com" || name == "hardlink@openssh.com") {
    request.operation = name[0] == 'p' ? "rename" : "hardlink";
    return read_two_paths(body, request.path, request.to_path);
  }
  if (name == "lsetstat@openssh.com") {
    return read_path(body, request.path) && read_setstat("setstat", body, request);
  }
  if (name == "copy-data") {  // handle, offset, length, handle, offset
    request.operation = "copy";
    std::string_view handle, to_handle;
    std::uint64_t number;
    if (!body.string(handle) || !body.uint64(number) || !body.uint64(number) || !body.string(to_handle))
      return false;
    if (const FilePointer file = file_of(handle)) request.path = file->path;
    if (const FilePointer file = file_of(to_handle)) {
      request.to_path = file->path;
      file->written.hash.give_up();
    }
    return true;
  }
  static constexpr std::string_view kChangeNothing[] = {
      "statvfs@openssh.com",
      "fstatvfs@openssh.com",
      "fsync@openssh.com",
      "limits@openssh.com",
      "expand-path@openssh.com",
      "home-directory",
      "users-groups-by-id@openssh.com",
  };
  if (std::find(std::begin(kChangeNothing), std::end(kChangeNothing), name) != std::end(kChangeNothing)) {
    request.kind = Kind::other;
    return true;
  }
  request.operation = "extended";
  request.path = name;
  return true;
}

SftpObserver::FilePointer SftpObserver::file_of(std::string_view handle) const {
  const auto found = handles_.find(handle);
  return found == handles_.end() ? nullptr : found->second;
}

std::size_t SftpObserver::bytes_kept(const Request& request) {
  const bool owns = request.file != nullptr && (request.kind == Kind::open || request.kind == Kind::close);
  return request.path.size() + request.to_path.size() + (owns ? request.file->path.size() : 0);
}

bool SftpObserver::remember(std::uint32_t id, Request& request) {
  if (requests_.size() >= kRequestsMax) return false;
  kept_ += bytes_kept(request);
  if (kept_ > kKeptMax) return false;
  if (spare_.empty()) return requests_.emplace(id, std::move(request)).second;
  Requests::node_type node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = id;
  node.mapped() = std::move(request);
  return requests_.insert(std::move(node)).inserted;
}

}  // namespace envgate::ssh::session
