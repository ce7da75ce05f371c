#include "record/chained_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "record/chain_line.hpp"

namespace envgate::record {
namespace {

constexpr std::size_t kBuffer = 16 * 1024;

bool is_name(std::string_view name) {
  return !name.empty() && name[0] != '.' && name.size() <= 200 && !name.ends_with(kChainSuffix) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
         });
}

Fd make_file(int directory, const std::string& name) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  return Fd(::openat(directory, name.c_str(), kFlags, 0600));
}

Result<void> write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("", n < 0 ? errno : EIO);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

std::chrono::microseconds micros(Offset at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at);
}

}  // namespace

Result<ChainedFile> ChainedFile::create(const std::string& directory, const std::string& name,
                                        const SigningKey* key, const BlockPolicy& policy) {
  return guarded([&]() -> Result<ChainedFile> {
    if (sodium_init() < 0) return fail("libsodium does not start: is there a random source (/dev/urandom)?");
    if (!is_name(name)) return fail("'" + name + "' is no name for a record");
    const Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return fail_errno("open the folder of records " + directory, errno);
    const std::string chain_name = name + std::string(kChainSuffix);

    ChainedFile out;
    out.path_ = directory + "/" + name;
    out.key_ = key;
    out.policy_ = policy;
    out.buffer_.reserve(kBuffer);
    // The chain first: a file without one never comes of a crash.
    out.chain_ = make_file(folder.get(), chain_name);
    if (!out.chain_) return fail_errno("create " + out.path_ + std::string(kChainSuffix), errno);
    ChainStart start;
    randombytes_buf(start.id.data(), start.id.size());
    const auto made = [&]() -> Result<void> {
      if (::flock(out.chain_.get(), LOCK_EX) != 0) return fail_errno("lock the chain of " + out.path_, errno);
      if (auto begun = out.add_line(line_of(start, key)); !begun) return begun;
      out.file_ = make_file(folder.get(), name);
      if (!out.file_) return fail_errno("create " + out.path_, errno);
      // Else a power cut could take the names and leave the bytes.
      if (::fsync(folder.get()) != 0) return fail_errno("fsync " + directory, errno);
      return {};
    }();
    if (made) return out;
    if (out.file_) ::unlinkat(folder.get(), name.c_str(), 0);
    ::unlinkat(folder.get(), chain_name.c_str(), 0);
    return tl::unexpected(made.error());
  });
}

Result<void> ChainedFile::usable() const {
  if (failed_) return tl::unexpected(*failed_);
  if (!file_) return fail("the record " + path_ + " has been ended");
  return {};
}

Result<void> ChainedFile::stop(Error error) {
  failed_ = std::move(error);
  return tl::unexpected(*failed_);
}

Result<void> ChainedFile::write_out(std::string_view bytes) {
  if (auto written = write_whole(file_.get(), bytes); !written)
    return fail_errno("write the record " + path_, written.error().code);
  return {};
}

Result<void> ChainedFile::add_line(const std::string& line) {
  auto written = write_whole(chain_.get(), line);
  if (written && policy_.sync == Sync::block && ::fdatasync(chain_.get()) != 0) written = fail("", errno);
  if (!written)
    return fail_errno("write the record's chain " + path_ + std::string(kChainSuffix), written.error().code);
  previous_ = digest_of(std::string_view(line).substr(0, line.size() - 1));
  return {};
}

Result<void> ChainedFile::end_block() {
  if (size_ == block_from_) return {};
  if (auto written = write_out(buffer_); !written) return written;
  buffer_.clear();
  if (policy_.sync == Sync::block && ::fdatasync(file_.get()) != 0)
    return fail_errno("fdatasync the record " + path_, errno);
  ChainBlock block;
  block.number = blocks_ + 1;
  block.from = block_from_;
  block.to = size_;
  block.hash = block_hash_.end();
  block.previous = previous_;
  block.at = micros(now_);
  if (auto added = add_line(line_of(block, key_)); !added) return added;
  block_from_ = size_;
  ++blocks_;
  return {};
}

std::optional<Offset> ChainedFile::due() const {
  if (failed_ || !file_ || size_ == block_from_) return std::nullopt;
  return block_began_ + policy_.time;
}

Result<void> ChainedFile::append(std::string_view piece, Offset at) {
  if (auto good = usable(); !good) return good;
  auto done = guarded([&]() -> Result<void> {
    now_ = std::max(now_, at);
    if (size_ == block_from_) block_began_ = now_;
    if (buffer_.size() + piece.size() > kBuffer) {
      if (auto written = write_out(buffer_); !written) return written;
      buffer_.clear();
    }
    if (piece.size() <= kBuffer)
      buffer_ += piece;
    else if (auto written = write_out(piece); !written)
      return written;
    block_hash_.add(piece);
    size_ += piece.size();
    const bool full = size_ - block_from_ >= policy_.bytes || now_ - block_began_ >= policy_.time;
    return blocks_ == 0 || full ? end_block() : Result<void>();
  });
  return done ? done : stop(std::move(done.error()));
}

Result<void> ChainedFile::tick(Offset at) {
  if (auto good = usable(); !good) return good;
  const auto when = due();
  if (!when || at < *when) return {};
  now_ = std::max(now_, at);
  auto done = guarded([&] { return end_block(); });
  return done ? done : stop(std::move(done.error()));
}

Result<void> ChainedFile::end(Offset at) {
  if (auto good = usable(); !good) return good;
  now_ = std::max(now_, at);
  auto done = guarded([&]() -> Result<void> {
    if (auto ended = end_block(); !ended) return ended;
    if (policy_.sync == Sync::end && ::fdatasync(file_.get()) != 0)
      return fail_errno("fdatasync the record " + path_, errno);
    ChainEnd last;
    last.blocks = blocks_;
    last.size = size_;
    last.previous = previous_;
    last.at = micros(now_);
    if (auto added = add_line(line_of(last, key_)); !added) return added;
    if (policy_.sync == Sync::end && ::fdatasync(chain_.get()) != 0)
      return fail_errno("fdatasync the record's chain " + path_, errno);
    return {};
  });
  if (!done) return stop(std::move(done.error()));
  file_.reset();
  chain_.reset();
  return {};
}

}  // namespace envgate::record
