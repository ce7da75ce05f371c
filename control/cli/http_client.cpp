#include "control/cli/http_client.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace envgate::cli {
namespace {

constexpr std::size_t kLargestAnswer = 256u << 20;
constexpr timeval kPatience{60, 0};

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

HttpFailure denied(const std::string& path) {
  struct stat socket {};
  if (::stat(path.c_str(), &socket) != 0)
    return {path + ": permission denied to look into its directory: run as root, or as the gateway's account",
            true};
  const group* const owner = ::getgrgid(socket.st_gid);
  const std::string name = owner ? owner->gr_name : "gid " + std::to_string(socket.st_gid);
  const passwd* const self = ::getpwuid(::getuid());
  return {path + ": permission denied: root and the group '" + name + "' may use it (usermod -aG " + name +
              " " + (self ? self->pw_name : "ACCOUNT") + ", and log in again)",
          true};
}

HttpFailure no_connection(const std::string& path, int error) {
  const std::string other =
      "\n  (--socket PATH or $ENVGATE_ADMIN_SOCKET name another: the gateway's setting admin.socket)";
  switch (error) {
    case ENOENT:
      return {path + ": there is no such socket: is envgate running?" + other, true};
    case ENOTDIR:
      return {path + ": no path to a socket: a part of it is a file" + other, true};
    case ECONNREFUSED:
      return {path + ": nobody listens there: envgate has ended, or this is no socket" + other, true};
    case EACCES:
    case EPERM:
      return denied(path);
    default:
      return {path + ": cannot connect: " + std::strerror(error), true};
  }
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

tl::expected<std::string, HttpFailure> receive_all(int fd) {
  std::string answer;
  std::string piece(64 * 1024, '\0');
  for (;;) {
    const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
    if (got == 0) return answer;
    if (got > 0)
      answer.append(piece.data(), static_cast<std::size_t>(got));
    else if (errno == EAGAIN)
      return tl::unexpected(HttpFailure{"no answer within a minute", true});
    else if (errno != EINTR)
      return tl::unexpected(HttpFailure{std::string("the answer broke off: ") + std::strerror(errno), true});
    if (answer.size() > kLargestAnswer) return tl::unexpected(HttpFailure{"the answer is too large", false});
  }
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

Result<HttpAnswer> parse_answer(std::string_view bytes) {
  HttpAnswer out;
  const std::size_t head_end = bytes.find("\r\n\r\n");
  if (head_end == bytes.npos || !bytes.starts_with("HTTP/1.1 ") || bytes.size() < 13)
    return fail("this is no HTTP answer");
  const std::string_view code = bytes.substr(9, 3);
  if (std::from_chars(code.data(), code.data() + 3, out.status).ptr != code.data() + 3)
    return fail("this is no HTTP answer");
  std::string_view head = bytes.substr(0, head_end + 2);
  const std::string_view body = bytes.substr(head_end + 4);
  std::size_t length = body.size();
  for (std::size_t end; (end = head.find("\r\n")) != head.npos; head.remove_prefix(end + 2)) {
    const std::string_view line = head.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string_view value = line.substr(std::min(line.size(), line.find_first_not_of(' ', colon + 1)));
    if (same_name(line.substr(0, colon), "content-type")) out.content_type = value;
    if (same_name(line.substr(0, colon), "content-length") &&
        std::from_chars(value.data(), value.data() + value.size(), length).ec != std::errc())
      return fail("the answer's Content-Length is no number");
  }
  if (length > body.size())
    return fail("the answer broke off after " + std::to_string(body.size()) + " of " +
                std::to_string(length) + " bytes");
  out.body = body.substr(0, length);
  return out;
}

tl::expected<HttpAnswer, HttpFailure> request(const std::string& path, std::string_view method,
                                              const std::string& target, std::string_view json_body) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return tl::unexpected(HttpFailure{path + ": too long for a socket's path", true});
  path.copy(address.sun_path, path.size());
  const Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0)
    return tl::unexpected(HttpFailure{std::string("socket: ") + std::strerror(errno), true});
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return tl::unexpected(no_connection(path, errno));

  std::string text(method);
  text.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
  if (!json_body.empty()) text.append("Content-Type: application/json\r\n");
  text.append("Content-Length: ")
      .append(std::to_string(json_body.size()))
      .append("\r\n\r\n")
      .append(json_body);
  // A server that refuses at once may close before it has read: its answer is read all the same.
  const bool sent = send_all(socket.get(), text);
  const int error = errno;
  auto bytes = receive_all(socket.get());
  if (!bytes)
    return tl::unexpected(HttpFailure{path + ": " + bytes.error().message, bytes.error().unreachable});
  if (!sent && bytes->empty())
    return tl::unexpected(HttpFailure{path + ": cannot send: " + std::strerror(error), true});
  if (bytes->empty())
    return tl::unexpected(HttpFailure{path + ": closed without an answer: is envgate ending?", true});
  auto answer = parse_answer(*bytes);
  if (!answer) return tl::unexpected(HttpFailure{path + ": " + answer.error().message, false});
  return *answer;
}

std::string encode_segment(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const auto byte = static_cast<unsigned char>(c);
    if (alphanumeric || (c != 0 && std::strchr("-._~", c)))
      out += c;
    else
      out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
  }
  return out;
}

}  // namespace envgate::cli
