#include "gateway/control_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "gateway/http/chunked.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/net/socket.hpp"

namespace envgate::gateway {
namespace {

constexpr std::size_t kAnswerMax = 256 * 1024;  // bytes, head and body
constexpr std::size_t kPiece = 16 * 1024;

// A Unix socket connects at once or not at all (EAGAIN: its queue is full).
Result<void> connect_to(const std::string& path, loop::Reactor& reactor, net::Socket& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail("the control socket has no such path");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("connect " + path, errno);
  return socket.open(reactor, std::move(fd));
}

std::string request_text(const std::string& request, const std::string& body) {
  return request + " HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

Result<std::string> body_of(const http::ResponseHead& head, std::string_view rest) {
  if (head.framing == http::Framing::length) {
    if (rest.size() < head.content_length) return fail("the control plane's answer is cut short");
    return std::string(rest.substr(0, head.content_length));
  }
  if (head.framing != http::Framing::chunked) return std::string(rest);
  std::string body;
  http::ChunkedDecoder decoder;
  for (;;) {
    const auto step = decoder.next(rest);
    rest.remove_prefix(step.consumed);
    if (step.state == http::ChunkedDecoder::Step::done) return body;
    if (step.state != http::ChunkedDecoder::Step::have_data)
      return fail("the control plane's answer is cut short");
    body += step.data;
  }
}

Result<ControlAnswer> parse(std::string_view bytes) {
  const http::HeadLimits limits;
  http::HeadScanner scanner(http::Side::response, limits);
  const http::Scan scan = scanner.scan(bytes);
  http::ResponseHead head;
  if (scan.state != http::Scan::complete || !http::parse_response_head(scan.head, {}, head).ok())
    return fail("the control plane's answer is no HTTP");
  auto body = body_of(head, bytes.substr(scan.head.size()));
  if (!body) return tl::unexpected(body.error());
  return ControlAnswer{head.status, std::move(*body)};
}

}  // namespace

loop::Task<Result<ControlAnswer>> ask_control(loop::Reactor& reactor, std::string path, std::string request,
                                              std::string body, loop::Deadline deadline) {
  net::Socket socket;
  const auto connected = connect_to(path, reactor, socket);
  if (!connected) co_return tl::unexpected(connected.error());
  const std::string text = request_text(request, body);
  const net::IoResult sent = co_await net::write_all(socket, text, deadline);
  if (!sent.ok()) co_return fail_errno("ask the control plane", sent.error);
  std::string answer;
  for (;;) {
    const std::size_t size = answer.size();
    if (size > kAnswerMax) co_return fail("the control plane's answer is too long");
    answer.resize(size + kPiece);
    const net::IoResult got = co_await net::read_some(socket, {answer.data() + size, kPiece}, deadline);
    answer.resize(size + (got.ok() ? got.bytes : 0));
    if (got.status == net::IoStatus::end) co_return parse(answer);
    if (!got.ok()) co_return fail_errno("ask the control plane", got.error);
  }
}

std::string problem_text(const ControlAnswer& answer) {
  const nlohmann::json problem = nlohmann::json::parse(answer.body, nullptr, false);
  if (problem.is_object())
    for (const char* const member : {"detail", "title"})
      if (problem.contains(member) && problem[member].is_string()) return problem[member].get<std::string>();
  return "HTTP status " + std::to_string(answer.status);
}

}  // namespace envgate::gateway
