#include "http.hpp"

#include <strings.h>

#include <cstdlib>

#include "arguments.hpp"

namespace envgate::bench {
namespace {

// The value of a field of a head, without the space before it; empty when it is not there.
std::string field(const std::string& head, const std::string& name) {
  for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    if (::strncasecmp(head.c_str() + at + 2, (name + ":").c_str(), name.size() + 1) != 0) continue;
    const std::size_t from = head.find_first_not_of(' ', at + 3 + name.size());
    return head.substr(from, head.find("\r\n", from) - from);
  }
  return "";
}

}  // namespace

std::string get_request(const std::string& host, const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: bench\r\n\r\n";
}

std::string upgrade_request(const std::string& host, const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: https://" + host +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

void AnswerReader::need(std::size_t bytes) {
  char some[16384];
  while (buffer_.size() < bytes) {
    const auto got = tls_.read(some, sizeof some);
    if (!got) throw Failure("no answer within 30 s");
    if (*got == 0) throw Failure("the connection ended within an answer");
    buffer_.append(some, *got);
  }
}

std::string AnswerReader::read_head() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) need(buffer_.size() + 1);
  std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  return head;
}

std::string AnswerReader::read_text_line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) need(buffer_.size() + 1);
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::size_t AnswerReader::read_chunks() {
  std::size_t sum = 0;
  while (const std::size_t size = std::strtoull(read_text_line().c_str(), nullptr, 16)) {
    need(size + 2);
    buffer_.erase(0, size + 2);
    sum += size;
  }
  while (!read_text_line().empty()) continue;  // trailers
  return sum;
}

Answer AnswerReader::read() {
  const std::string head = read_head();
  if (head.compare(0, 7, "HTTP/1.") != 0 || head.size() < 12)
    throw Failure("not an answer: " + head.substr(0, 80));
  Answer answer;
  answer.status = std::atoi(head.c_str() + 9);
  if (answer.status == 101) return answer;
  const std::string length = field(head, "content-length");
  if (!length.empty()) {
    answer.body = std::strtoull(length.c_str(), nullptr, 10);
    need(answer.body);
    buffer_.erase(0, answer.body);
  } else if (field(head, "transfer-encoding") == "chunked") {
    answer.body = read_chunks();
  } else {
    throw Failure("an answer without a length: " + head.substr(0, 80));
  }
  return answer;
}

void upgrade(Tls& tls, const std::string& host, const std::string& path) {
  tls.write(upgrade_request(host, path));
  const Answer answer = AnswerReader(tls).read();
  if (answer.status != 101) throw Failure("the upgrade was answered with " + std::to_string(answer.status));
}

}  // namespace envgate::bench
