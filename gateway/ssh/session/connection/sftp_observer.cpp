#include "gateway/ssh/session/connection/sftp_observer.hpp"

#include <algorithm>
#include <iterator>

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kHandlesMax = 1024;  // open at once
constexpr std::size_t kSpareMax = 256;
constexpr std::uint32_t kOk = 0, kEndOfFile = 1;
constexpr std::uint32_t kHasSize = 1;

std::string text_of(std::uint32_t code) {
  static constexpr const char* kTexts[] = {
      "ok",          "end of file",   "no such file",    "permission denied",     "failure",
      "bad message", "no connection", "connection lost", "operation unsupported",
  };
  if (code < std::size(kTexts)) return kTexts[code];
  return "status " + std::to_string(code);
}

}  // namespace

SftpObserver::SftpObserver(std::uint32_t channel, const Sink& sink) : FileObserver(channel, sink) {}

void SftpObserver::look(Side from, std::string_view bytes) {
  const bool is_sftp =
      from == Side::client ? from_client_.feed(bytes, of_client_) : from_target_.feed(bytes, of_target_);
  if (!is_sftp) stop(std::string("what the ") + name(from) + " sends is no SFTP");
}

// The channel is at its end, or nothing more can be followed: whatever is open was cut off.
void SftpObserver::finish() {
  for (auto& [handle, file] : handles_) tell_file(*file, "cut off");
  for (auto& [id, request] : requests_) {
    if (request.kind == Kind::close && request.file != nullptr) tell_file(*request.file, "cut off");
    if (request.kind == Kind::open) tell_file(*request.file, "no answer");
    if (request.kind == Kind::named) tell_named(request, "no answer");
  }
  handles_.clear();
  requests_.clear();
}

bool SftpObserver::answer(const sftp::Packets::Packet& packet) {
  if (!target_began_) return target_began_ = packet.type == sftp::kVersion;
  auth::Reader body(packet.head);
  std::uint32_t id;
  if (!body.uint32(id)) return false;
  const auto found = requests_.find(id);
  if (found == requests_.end()) return false;
  Requests::node_type node = requests_.extract(found);
  Request& request = node.mapped();
  kept_ -= bytes_kept(request);
  bool good = true;
  switch (packet.type) {
    case sftp::kStatus: good = status(request, body); break;
    case sftp::kHandle: good = handle(request, body); break;
    case sftp::kData: good = data(request, packet.rest, body); break;
    case sftp::kAttrs: good = attributes(request, body); break;
    case sftp::kName: good = request.kind == Kind::other; break;
    case sftp::kExtendedReply:
      good = request.kind == Kind::other || request.kind == Kind::named;
      if (good) settle(request, kOk);
      break;
    default: good = false;
  }
  request.file.reset();
  if (spare_.size() < kSpareMax) spare_.push_back(std::move(node));
  return good;
}

bool SftpObserver::status(Request& request, auth::Reader body) {
  std::uint32_t code;
  if (!body.uint32(code)) return false;
  // What is asked for there has an answer of its own.
  if (code == kOk && (request.kind == Kind::open || request.kind == Kind::read)) return false;
  settle(request, code);
  return true;
}

void SftpObserver::settle(Request& request, std::uint32_t code) {
  File* const file = request.file.get();
  switch (request.kind) {
    case Kind::open: return tell_file(*file, text_of(code));  // it failed
    case Kind::named: return tell_named(request, text_of(code));
    case Kind::close:
      if (file != nullptr) tell_file(*file, file->failure.empty() ? text_of(code) : file->failure);
      return;
    case Kind::read:
      if (file == nullptr) return;
      if (code != kEndOfFile) break;
      file->read.ends_at = std::min(file->read.ends_at, request.offset);
      return;
    case Kind::write:
      if (file == nullptr || code != kOk) break;
      file->written.bytes += request.length;
      return;
    default: return;
  }
  if (file != nullptr && file->failure.empty()) file->failure = text_of(code);
}

bool SftpObserver::handle(Request& request, auth::Reader body) {
  std::string_view handle;
  if (!body.string(handle) || handle.size() > sftp::kHandleMax || request.kind != Kind::open) return false;
  if (handles_.size() >= kHandlesMax) return false;
  kept_ += request.file->path.size();
  if (request.file->directory) {
    monitor::FileMoved event;
    event.operation = "list";
    event.path = request.file->path;
    event.result = "ok";
    tell(std::move(event));
  }
  return handles_.emplace(handle, request.file).second;
}

bool SftpObserver::data(Request& request, std::uint32_t rest, auth::Reader body) {
  std::uint32_t length;
  if (request.kind != Kind::read || !body.uint32(length) || length != rest || length > request.length)
    return false;
  if (request.file == nullptr) return true;
  Movement& read = request.file->read;
  read.bytes += length;
  if (length > 0 && read.hash.follows(request.offset)) reading_ = request.file;
  return true;
}

bool SftpObserver::attributes(Request& request, auth::Reader body) {
  std::uint32_t flags;
  std::uint64_t size;
  if (!body.uint32(flags) || (request.kind != Kind::stat && request.kind != Kind::fstat)) return false;
  if ((flags & kHasSize) == 0) return true;
  if (!body.uint64(size)) return false;
  if (size == 0) return true;  // of /proc's files, too, whatever they hold
  if (request.kind == Kind::stat) {
    stat_path_ = std::move(request.path);
    stat_size_ = size;
  } else if (request.kind == Kind::fstat && request.file != nullptr) {
    request.file->size = size;
  }
  return true;
}

void SftpObserver::bulk_written(std::string_view bytes) {
  if (writing_ != nullptr) writing_->written.hash.add(bytes);
}

void SftpObserver::bulk_read(std::string_view bytes) {
  if (reading_ != nullptr) reading_->read.hash.add(bytes);
}

void SftpObserver::tell_file(File& file, const std::string& result) {
  if (file.directory) {
    if (result == "ok" || result == "cut off") return;  // told when it was opened
    monitor::FileMoved event;
    event.operation = "list";
    event.path = file.path;
    event.result = result;
    return tell(std::move(event));
  }
  const bool written = file.written.bytes > 0 || (file.writes && file.read.bytes == 0);
  if (written) tell_movement(file, true, result);
  if (!written || file.read.bytes > 0) tell_movement(file, false, result);
}

void SftpObserver::tell_movement(File& file, bool written, const std::string& result) {
  Movement& movement = written ? file.written : file.read;
  monitor::FileMoved event;
  event.operation = written ? "write" : "read";
  event.path = file.path;
  event.direction = written ? "upload" : "download";
  event.bytes = movement.bytes;
  // The target has taken all that was hashed, or it has given all that it has.
  const bool whole = written ? movement.bytes == movement.hash.size() && !file.keeps_old
                             : std::min(movement.ends_at, file.size) <= movement.hash.size();
  if (result == "ok" && whole) event.sha256 = movement.hash.hexadecimal();
  event.result = result;
  tell(std::move(event));
}

void SftpObserver::tell_named(const Request& request, const std::string& result) {
  monitor::FileMoved event;
  event.operation = request.operation;
  event.path = request.path;
  event.to_path = request.to_path;
  event.result = result;
  tell(std::move(event));
}

}  // namespace envgate::ssh::session
