#include "record/verify.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.hpp"
#include "record/chain_line.hpp"
#include "record/chained_file.hpp"

namespace envgate::record {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::uint64_t kLargestChain = 256u << 20;  // of a record of 40 GiB

class Check {
 public:
  Check(const ReadAt& read, std::uint64_t size, std::string_view chain)
      : read_(read), size_(size), chain_(chain) {}

  Result<Verdict> run(const std::optional<PublicKey>& wanted) {
    if (!start()) return verdict_;
    if (!verdict_.key)
      verdict_.signer = Signer::none;
    else if (!wanted)
      verdict_.signer = Signer::unasked;
    else
      verdict_.signer = *wanted == *verdict_.key ? Signer::known : Signer::unknown;
    while (!ended_ && !chain_.empty()) {
      const auto more = next();
      if (!more) return tl::unexpected(more.error());
      if (!*more) return verdict_;
    }
    if (ended_ && !chain_.empty()) return changed("the chain goes on behind its end"), verdict_;
    if (ended_ && size_ != verdict_.covered) return changed("bytes were added behind the end"), verdict_;
    verdict_.state = ended_ ? State::whole : State::cut_off;
    verdict_.uncovered = size_ - verdict_.covered;
    return verdict_;
  }

 private:
  bool changed(std::string why) {
    verdict_.state = State::changed;
    verdict_.changed_at = started_ ? verdict_.blocks + 1 : 0;
    verdict_.why = std::move(why);
    return false;
  }

  // The next line without its newline; `torn` where there is none.
  std::string_view take_line() {
    const std::size_t end = chain_.find('\n');
    const std::string_view line = chain_.substr(0, end);
    torn_ = end == chain_.npos;
    chain_.remove_prefix(torn_ ? chain_.size() : end + 1);
    return line;
  }

  // A line that fails for `read`. False, always.
  bool unread(Read read) {
    return changed(read == Read::unsigned_ ? "its line in the chain is not what was signed"
                                           : "its line in the chain is none that was written");
  }

  // The record's file is made behind this line: a crash leaves it whole.
  bool start() {
    const std::string_view line = take_line();
    ChainStart start;
    const Read read = read_line(line, start);
    if (read != Read::good || torn_) return unread(read);
    verdict_.key = start.key;
    previous_ = digest_of(line);
    started_ = true;
    return true;
  }

  Result<bool> next() {
    const std::string_view line = take_line();
    if (line.starts_with(R"({"e)")) return end(line);
    ChainBlock block;
    const Read read = read_line(line, verdict_.key, block);
    if (torn_ && read == Read::short_) return true;  // the crash came while it was written
    if (read != Read::good) return unread(read);
    if (block.number != verdict_.blocks + 1 || block.from != verdict_.covered || block.to <= block.from)
      return changed("the chain does not go on with it");
    if (block.previous != previous_) return changed("it is not linked to the line before it");
    if (block.at < at_) return changed("it is of a time before the block before it");
    if (block.to > size_) return changed("the file ends before it does");
    const auto hash = hash_of(block.from, block.to);
    if (!hash) return tl::unexpected(hash.error());
    if (*hash != block.hash) return changed("its bytes are not those that were written");
    verdict_.blocks = block.number;
    verdict_.covered = block.to;
    at_ = block.at;
    previous_ = digest_of(line);
    return true;
  }

  Result<bool> end(std::string_view line) {
    ChainEnd end;
    const Read read = read_line(line, verdict_.key, end);
    if (torn_ && (read == Read::short_ || read == Read::good)) return true;
    if (read != Read::good) return unread(read);
    if (end.blocks != verdict_.blocks || end.size != verdict_.covered || end.previous != previous_ ||
        end.at < at_)
      return changed("the chain's end does not fit what is before it");
    ended_ = true;
    return true;
  }

  Result<Digest> hash_of(std::uint64_t from, std::uint64_t to) {
    Hasher hasher;
    piece_.resize(kPiece);
    while (from < to) {
      const auto got = read_(from, piece_.data(), std::min<std::uint64_t>(kPiece, to - from));
      if (!got) return tl::unexpected(got.error());
      if (*got == 0) break;
      hasher.add(std::string_view(piece_).substr(0, *got));
      from += *got;
    }
    return hasher.end();
  }

  const ReadAt& read_;
  std::uint64_t size_;
  std::string_view chain_;
  Verdict verdict_;
  Digest previous_{};
  std::chrono::microseconds at_{};
  std::string piece_;
  bool torn_ = false, started_ = false, ended_ = false;
};

Result<std::size_t> read_from(int fd, std::uint64_t at, char* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd, to + done, size - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::string signer_words(const Verdict& verdict) {
  const std::string key = verdict.key ? to_hex(*verdict.key) : "";
  switch (verdict.signer) {
    case Signer::known: return "signed by the key given";
    case Signer::unasked: return "signed by " + key + ", which was not compared with a key";
    case Signer::unknown: return "signed by an unknown key, " + key;
    case Signer::none: break;
  }
  return "not signed";
}

Result<Fd> open_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno("open " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat " + path, errno);
  if (!S_ISREG(info.st_mode)) return fail(path + " is no file");
  return fd;
}

Result<std::uint64_t> size_of(const Fd& fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat " + path, errno);
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace

std::string Verdict::words() const {
  const std::string being = open ? "still being written; " : "";
  if (state == State::changed && changed_at == 0) return "changed in its chain: " + why;
  if (state == State::changed) return being + "changed at block " + std::to_string(changed_at) + ": " + why;
  const std::string extent = std::to_string(covered) + " bytes in " + std::to_string(blocks) + " blocks";
  if (state == State::whole) return "whole, " + extent + ", " + signer_words(*this);
  return being + "cut off: " + std::to_string(uncovered) + " bytes after the last block are not covered; " +
         extent + " before them are as they were written, " + signer_words(*this);
}

Result<Verdict> verify(const ReadAt& read, std::uint64_t size, std::string_view chain,
                       const std::optional<PublicKey>& key) {
  return Check(read, size, chain).run(key);
}

Result<Verdict> verify_file(const std::string& path, const std::optional<PublicKey>& key) {
  const auto file = open_file(path);
  if (!file) return tl::unexpected(file.error());
  const std::string chain_path = path + std::string(kChainSuffix);
  const auto chain_file = open_file(chain_path);
  if (!chain_file) {
    Verdict verdict;
    verdict.why = chain_file.error().message;
    return chain_file.error().code == ENOENT ? Result<Verdict>(verdict) : tl::unexpected(chain_file.error());
  }
  const bool open = ::flock(chain_file->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  // The chain before the file's size: of one that is being written, no more is claimed than was there.
  const auto chain_size = size_of(*chain_file, chain_path);
  if (!chain_size) return tl::unexpected(chain_size.error());
  if (*chain_size > kLargestChain) return fail(chain_path + " is larger than any chain");
  std::string chain(*chain_size, '\0');
  const auto got = read_from(chain_file->get(), 0, chain.data(), chain.size());
  if (!got) return fail_errno("read " + chain_path, got.error().code);
  chain.resize(*got);
  const auto size = size_of(*file, path);
  if (!size) return tl::unexpected(size.error());
  const auto read = [&](std::uint64_t at, char* to, std::size_t most) -> Result<std::size_t> {
    auto bytes = read_from(file->get(), at, to, most);
    if (!bytes) return fail_errno("read " + path, bytes.error().code);
    return bytes;
  };
  auto verdict = verify(read, *size, chain, key);
  if (verdict) verdict->open = open;
  return verdict;
}

}  // namespace envgate::record
