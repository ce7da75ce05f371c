#include "control/cli/http_client.hpp"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.hpp"

namespace envgate::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kLargestAnswer = 256u << 20;

tl::unexpected<HttpFailure> failed(HttpFailure failure) { return tl::unexpected(std::move(failure)); }

HttpFailure denied(const std::string& path) {
  struct stat socket {};
  if (::stat(path.c_str(), &socket) != 0)
    return {path + ": permission denied to look into its directory: run as root, or as its own account",
            true};
  const group* const owner = ::getgrgid(socket.st_gid);
  const std::string name = owner ? owner->gr_name : "gid " + std::to_string(socket.st_gid);
  const passwd* const self = ::getpwuid(::getuid());
  return {path + ": permission denied: root and the group '" + name + "' may use it (usermod -aG " + name +
              " " + (self ? self->pw_name : "ACCOUNT") + ", and log in again)",
          true};
}

HttpFailure no_connection(const std::string& path, int error, const Server& server) {
  const std::string program(server.program);
  const std::string other = "\n  (" + std::string(server.other) + ")";
  switch (error) {
    case ENOENT: return {path + ": there is no such socket: is " + program + " running?" + other, true};
    case ENOTDIR: return {path + ": no path to a socket: a part of it is a file" + other, true};
    case ECONNREFUSED:
      return {path + ": nobody listens there: " + program + " has ended, or this is no socket" + other, true};
    case EACCES:
    case EPERM: return denied(path);
    default: return {path + ": cannot connect: " + std::strerror(error), true};
  }
}

constexpr steady_clock::time_point kNever = steady_clock::time_point::max();

// True when `fd` is ready, false when `end` came first.
bool wait_for(int fd, short events, steady_clock::time_point end) {
  for (;;) {
    int left = -1;
    if (end != kNever) {
      const auto count = std::chrono::ceil<milliseconds>(end - steady_clock::now()).count();
      if (count <= 0) return false;
      left = static_cast<int>(std::min<milliseconds::rep>(count, 1 << 30));
    }
    pollfd one{fd, events, 0};
    const int ready = ::poll(&one, 1, left);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the call that follows says what is wrong
  }
}

class Exchange {
 public:
  Exchange(const std::string& path, const HttpRequest& request)
      : path_(path), request_(request), end_(steady_clock::now() + request.patience) {}

  Http<void> open() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(address.sun_path))
      return failed({path_ + ": too long for a socket's path", true});
    path_.copy(address.sun_path, path_.size());
    // Blocking until it is connected: a Unix socket whose queue is full would else be EAGAIN, not a wait.
    fd_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd_.get() < 0) return failed({std::string("socket: ") + std::strerror(errno), true});
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(request_.patience);
    const timeval patience{static_cast<time_t>(seconds.count()), 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      return errno == EAGAIN ? failed(no_answer()) : failed(no_connection(path_, errno, request_.server));
    return send();
  }

  // Reads until the answer's end, or until `stop()` says true after a piece.
  // `quiet`: how long nothing may come once the head is there; without it, the request's patience holds.
  template <typename Stop>
  Http<StreamEnd> read(std::string& body, bool endless, std::optional<milliseconds> quiet, const Stop& stop) {
    std::string piece(64 * 1024, '\0');
    while (!reader_.complete()) {
      const bool streaming = endless && reader_.has_head() && reader_.head().status < 300;
      auto end = end_;
      if (streaming) end = quiet ? steady_clock::now() + *quiet : kNever;
      if (!wait_for(fd_.get(), POLLIN, end))
        return streaming ? Http<StreamEnd>(StreamEnd::quiet) : failed(no_answer());
      const ssize_t got = ::recv(fd_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got < 0 && streaming) return StreamEnd::closed;
      if (got < 0) return failed({path_ + ": the answer broke off: " + std::strerror(errno), true, true});
      if (got == 0) return at_close(streaming);
      any_ = true;
      if (auto fed = reader_.feed({piece.data(), static_cast<std::size_t>(got)}, body); !fed)
        return failed({path_ + ": " + fed.error().message, false});
      if (body.size() > kLargestAnswer) return failed({path_ + ": the answer is too large", false});
      if (stop()) return StreamEnd::enough;
    }
    return StreamEnd::closed;
  }

  const AnswerReader& reader() const { return reader_; }

 private:
  HttpFailure no_answer() const {
    return {path_ + ": no answer within " + std::to_string(request_.patience.count() / 1000) + " s: is " +
                std::string(request_.server.program) + " overloaded, or stopped?",
            true};
  }

  Http<StreamEnd> at_close(bool streaming) const {
    if (streaming) return StreamEnd::closed;
    if (!any_ && !sent_) return failed({path_ + ": cannot send: " + std::strerror(send_error_), true, true});
    if (!any_)
      return failed(
          {path_ + ": closed without an answer: is " + std::string(request_.server.program) + " ending?",
           true, true});
    if (auto closed = reader_.close(); !closed)
      return failed({path_ + ": " + closed.error().message, false, true});
    return StreamEnd::closed;
  }

  // A server that refuses at once may close before it has read: its answer is read all the same.
  Http<void> send() {
    std::string text = request_.method + " " + request_.target + " HTTP/1.1\r\nHost: localhost\r\n";
    text.append("Connection: close\r\n");
    for (const auto& [name, value] : request_.headers) text.append(name + ": " + value + "\r\n");
    if (!request_.body.empty()) text.append("Content-Type: " + request_.content_type + "\r\n");
    text.append("Content-Length: " + std::to_string(request_.body.size()) + "\r\n\r\n" + request_.body);
    std::string_view rest = text;
    while (!rest.empty()) {
      const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) return failed(no_answer());
      if (sent < 0) {
        send_error_ = errno;
        return {};
      }
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    sent_ = true;
    return {};
  }

  const std::string& path_;
  const HttpRequest& request_;
  const steady_clock::time_point end_;
  Fd fd_;
  AnswerReader reader_;
  bool any_ = false, sent_ = false;
  int send_error_ = 0;
};

}  // namespace

Http<HttpAnswer> request(const std::string& path, const HttpRequest& request) {
  Exchange exchange(path, request);
  if (auto opened = exchange.open(); !opened) return failed(opened.error());
  std::string body;
  const auto end = exchange.read(body, false, {}, [] { return false; });
  if (!end) return failed(end.error());
  HttpAnswer answer = exchange.reader().head();
  answer.body = std::move(body);
  return answer;
}

Http<HttpAnswer> request(const std::string& path, std::string_view method, const std::string& target,
                         std::string_view json_body) {
  return request(path, HttpRequest{std::string(method), target, std::string(json_body)});
}

Http<std::pair<HttpAnswer, StreamEnd>> request_stream(const std::string& path, const HttpRequest& request,
                                                      const Stream& stream) {
  Exchange exchange(path, request);
  if (auto opened = exchange.open(); !opened) return failed(opened.error());
  std::string body;
  const auto end = exchange.read(body, true, stream.quiet, [&] {
    if (!exchange.reader().has_head() || exchange.reader().head().status >= 300 || body.empty()) return false;
    const std::string piece = std::exchange(body, {});
    return !stream.take(piece);
  });
  if (!end) return failed(end.error());
  HttpAnswer answer = exchange.reader().head();
  answer.body = std::move(body);
  return std::pair(std::move(answer), *end);
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
