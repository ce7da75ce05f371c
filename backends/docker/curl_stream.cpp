#include "backends/docker/curl_stream.hpp"

#include <poll.h>
#include <strings.h>
#include <sys/eventfd.h>

#include <charconv>

#include "base/check.hpp"

namespace envgate::backends::docker {
namespace {

constexpr std::size_t kMostHead = 16 << 10, kMostRefusal = 64 << 10;

std::size_t content_length_of(std::string_view head) {
  constexpr std::string_view name = "content-length:";
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at)) {
    at += 2;
    if (head.size() - at < name.size() || strncasecmp(head.data() + at, name.data(), name.size()) != 0)
      continue;
    const std::size_t digits = std::min(head.find_first_not_of(' ', at + name.size()), head.size());
    std::size_t length = 0;
    std::from_chars(head.data() + digits, head.data() + head.size(), length);
    return std::min(length, kMostRefusal);
  }
  return 0;
}

}  // namespace

Outcome<std::optional<StreamHead>> parse_stream_head(std::string_view received) {
  constexpr std::string_view version = "HTTP/1.";
  const std::size_t end = received.substr(0, kMostHead).find("\r\n\r\n");
  const std::string_view start = received.substr(0, version.size());
  if (start != version.substr(0, start.size()) ||
      (end == std::string_view::npos && received.size() >= kMostHead)) {
    return failure(Cause::failed, "what answered is not a container engine: its answer is not HTTP/1.1");
  }
  if (end == std::string_view::npos) return std::nullopt;
  StreamHead head;
  head.size = end + 4;
  const std::string_view status = received.substr(0, end).substr(std::min(end, version.size() + 2), 3);
  const auto [rest, error] = std::from_chars(status.data(), status.data() + status.size(), head.status);
  if (error != std::errc() || rest != status.data() + 3 || head.status < 100) {
    return failure(Cause::failed, "what answered is not a container engine: its status line has no status");
  }
  head.content_length = content_length_of(received.substr(0, end));
  return head;
}

Outcome<void> CurlStream::wait(short events, const Call& call) {
  if (auto end = must_end(call, engine_)) return tl::unexpected(std::move(*end));
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(handle_.easy(), CURLINFO_ACTIVESOCKET, &socket);
  pollfd watched[] = {{socket, events, 0}, {wake_.get(), POLLIN, 0}};
  ::poll(watched, 2, milliseconds_left(call));
  return {};
}

Outcome<void> CurlStream::write(std::string_view bytes, const Call& call) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(handle_.easy(), bytes.data(), bytes.size(), &sent);
    if (code == CURLE_AGAIN) {
      auto ready = wait(POLLOUT, call);
      if (!ready) return ready;
    } else if (code != CURLE_OK) {
      return failure(Cause::unreachable, "the engine at " + engine_ + " broke off while it was written to");
    }
    bytes.remove_prefix(sent);
  }
  return {};
}

Outcome<std::size_t> CurlStream::read(const Call& call) {
  char buffer[4096];
  for (;;) {
    std::size_t got = 0;
    const CURLcode code = curl_easy_recv(handle_.easy(), buffer, sizeof buffer, &got);
    if (code == CURLE_OK) {
      received_.append(buffer, got);
      return got;
    }
    if (code != CURLE_AGAIN) return failure(Cause::unreachable, "the engine at " + engine_ + " broke off");
    auto ready = wait(POLLIN, call);
    if (!ready) return tl::unexpected(std::move(ready.error()));
  }
}

Outcome<Response> CurlStream::converse(const Request& request, const Secret& input, const Call& call) {
  handle_.set(CURLOPT_CONNECT_ONLY, 1L);
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(wake_);
  const std::stop_callback wake(call.cancel, [this] { eventfd_write(wake_.get(), 1); });
  auto connected = handle_.run(call);
  if (!connected) return tl::unexpected(std::move(connected.error()));
  auto written = write(request.method + ' ' + request.path +
                           " HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                           "Content-Type: application/json\r\nContent-Length: " +
                           std::to_string(request.body.size()) + "\r\n\r\n" + request.body,
                       call);
  if (!written) return tl::unexpected(std::move(written.error()));

  std::optional<StreamHead> head;
  bool input_written = false;
  for (;;) {
    auto got = read(call);
    if (!got) return tl::unexpected(std::move(got.error()));
    if (!head) {
      auto parsed = parse_stream_head(received_);
      if (!parsed) return tl::unexpected(std::move(parsed.error()));
      head = *parsed;
    }
    const bool refused = head && head->status != 101 && head->status != 200;
    if (refused && received_.size() >= head->size + head->content_length) break;
    if (*got == 0) break;
    if (received_.size() > kMostHead + request.most_bytes) {
      return failure(Cause::failed, "a program in a container wrote more than was asked for");
    }
    if (!head || refused || input_written) continue;
    input_written = true;
    written = write(input.reveal(), call);
    if (!written) return tl::unexpected(std::move(written.error()));
  }
  if (!head) return failure(Cause::unreachable, "the engine at " + engine_ + " broke off before it answered");
  return Response{head->status, received_.substr(head->size), {}};
}

}  // namespace envgate::backends::docker
