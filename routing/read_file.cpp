#include "routing/read_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace envgate::routing {

Result<std::string> read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno("open " + path, errno);
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      const int code = errno;
      ::close(fd);
      return fail_errno("read " + path, code);
    }
    if (size == 0) break;
    text.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(fd);
  return text;
}

}  // namespace envgate::routing
