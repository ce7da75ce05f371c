// TicketKey's file: read with care for who else may, and made where there is none.
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.hpp"
#include "routing/tickets.hpp"

namespace envgate::routing {
namespace {

std::string make_it(const std::string& path) {
  return "make one with: openssl rand -out " + path + " 32; chmod 640 " + path;
}

// Up to one byte more than a key has, so that a longer file shows.
Result<std::size_t> read_up_to(int fd, std::array<unsigned char, TicketKey::kSize + 1>& bytes,
                               const std::string& path) {
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read the ticket key " + path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return size;
}

Result<void> write_key(int fd, const TicketKey::Bytes& bytes, const std::string& path) {
  // fchmod, because open's mode passes the umask.
  if (::fchmod(fd, 0640) != 0) return fail_errno("chmod 640 " + path, errno);
  const ssize_t put = ::write(fd, bytes.data(), bytes.size());
  if (put != static_cast<ssize_t>(bytes.size())) return fail_errno("write " + path, put < 0 ? errno : ENOSPC);
  if (::fsync(fd) != 0) return fail_errno("fsync " + path, errno);
  return {};
}

}  // namespace

Result<TicketKey> TicketKey::read(const std::string& path) {
  // O_NONBLOCK: a FIFO would be waited for.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    const int code = errno;
    Failure failure = fail_errno("open the ticket key " + path, code);
    if (code == ENOENT) failure.value().message += "; " + make_it(path);
    if (code == EACCES)
      failure.value().message +=
          "; let this account's group read it: chgrp GROUP " + path + "; chmod 640 " + path;
    return failure;
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail_errno("stat the ticket key " + path, errno);
  if (!S_ISREG(status.st_mode)) return fail("the ticket key " + path + " is not a file; " + make_it(path));
  if ((status.st_mode & S_IRWXO) != 0)
    return fail("the ticket key " + path + " is open to every account of this machine; chmod 640 " + path +
                ", and since it may have been read, rather a new one: " + make_it(path));
  std::array<unsigned char, kSize + 1> bytes;
  const Result<std::size_t> size = read_up_to(fd.get(), bytes, path);
  if (!size) return tl::unexpected(size.error());
  if (*size != kSize)
    return fail("the ticket key " + path + " does not have exactly 32 bytes; " + make_it(path));
  Bytes key;
  std::copy_n(bytes.begin(), kSize, key.begin());
  return TicketKey(key);
}

Result<TicketKey> TicketKey::make_file(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return read(path);
  Bytes key;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1)
    return fail("no random numbers for the ticket key " + path + ": OpenSSL's generator has failed");
  // Written whole beside its place and then linked there: nobody sees a part, and a key that came to be
  // meanwhile is not replaced, as rename would.
  std::string draft = path + ".XXXXXX";
  const Fd fd(::mkostemp(draft.data(), O_CLOEXEC));
  if (fd.get() < 0)
    return fail_errno("make the ticket key " + path + " (does its folder exist, and may we write there?)",
                      errno);
  Result<void> written = write_key(fd.get(), key, draft);
  if (written && ::link(draft.c_str(), path.c_str()) != 0 && errno != EEXIST)
    written = fail_errno("link " + draft + " to " + path, errno);
  ::unlink(draft.c_str());
  if (!written) return tl::unexpected(written.error());
  return read(path);
}

}  // namespace envgate::routing
