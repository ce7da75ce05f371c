#include "h2.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "arguments.hpp"

namespace envgate::bench {
namespace {

nghttp2_nv pair(const char* name, const std::string& value) {
  const auto bytes = [](const char* text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text));
  };
  return {bytes(name), bytes(value.c_str()), std::strlen(name), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

H2Client::H2Client(Tls& tls, std::string host, std::string path)
    : tls_(tls), host_(std::move(host)), path_(std::move(path)) {
  nghttp2_session_callbacks* calls = nullptr;
  ::nghttp2_session_callbacks_new(&calls);
  ::nghttp2_session_callbacks_set_on_header_callback(
      calls, [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                const std::uint8_t* value, std::size_t, std::uint8_t, void* self) {
        if (name_size == 7 && std::memcmp(name, ":status", 7) == 0) {
          static_cast<H2Client*>(self)->answer_.status = std::atoi(reinterpret_cast<const char*>(value));
        }
        return 0;
      });
  ::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      calls,
      [](nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t*, std::size_t size, void* self) {
        static_cast<H2Client*>(self)->answer_.body += size;
        return 0;
      });
  ::nghttp2_session_callbacks_set_on_stream_close_callback(
      calls, [](nghttp2_session*, std::int32_t, std::uint32_t error, void* self) {
        static_cast<H2Client*>(self)->done_ = true;
        static_cast<H2Client*>(self)->error_ = error;
        return 0;
      });
  ::nghttp2_session_client_new(&session_, calls, this);
  ::nghttp2_session_callbacks_del(calls);
  ::nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  flush();
}

H2Client::~H2Client() { ::nghttp2_session_del(session_); }

void H2Client::flush() {
  std::string out;
  const std::uint8_t* bytes = nullptr;
  for (ssize_t size = 0; (size = ::nghttp2_session_mem_send(session_, &bytes)) > 0;) {
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  if (!out.empty()) tls_.write(out);
}

void H2Client::read_some() {
  char some[16384];
  const auto got = tls_.read(some, sizeof some);
  if (!got) throw Failure("no answer within 30 s");
  if (*got == 0) throw Failure("the connection ended within an answer");
  if (::nghttp2_session_mem_recv(session_, reinterpret_cast<std::uint8_t*>(some), *got) < 0) {
    throw Failure("what came is not HTTP/2");
  }
  flush();
}

Answer H2Client::get() {
  const std::string method = "GET", scheme = "https";
  const nghttp2_nv fields[] = {pair(":method", method), pair(":scheme", scheme), pair(":authority", host_),
                               pair(":path", path_)};
  answer_ = {};
  done_ = false;
  if (::nghttp2_submit_request(session_, nullptr, fields, 4, nullptr, nullptr) < 0) {
    throw Failure("the connection takes no more requests");
  }
  flush();
  while (!done_) read_some();
  if (error_ != 0) throw Failure("the stream ended with error " + std::to_string(error_));
  return answer_;
}

}  // namespace envgate::bench
