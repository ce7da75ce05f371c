#include "gateway/http/h2_fields.hpp"

#include <nghttp2/nghttp2.h>

#include <charconv>
#include <string>
#include <vector>

#include "gateway/http/h2_callbacks.hpp"
#include "gateway/http/h2_memory.hpp"

namespace envgate::http {
namespace {

// The head under construction: nghttp2 takes an array and copies what it points to.
class Head {
 public:
  Head() { fields().clear(); }

  void status(int status) {
    std::to_chars(digits_, digits_ + sizeof(digits_), status);
    add(":status", {digits_, sizeof(digits_)});
  }
  void add(std::string_view name, std::string_view value, bool unique = false) {
    // What no later head will repeat is kept out of the compressor's table.
    fields().push_back({bytes(name), bytes(value), name.size(), value.size(),
                        static_cast<std::uint8_t>(unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
  }
  void add(const Field& field) { add(field.name, field.value, field.id == FieldId::x_request_id); }
  const nghttp2_nv* data() const { return fields().data(); }
  std::size_t size() const { return fields().size(); }

 private:
  static std::uint8_t* bytes(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  static std::vector<nghttp2_nv>& fields() {
    thread_local std::vector<nghttp2_nv> kept;
    return kept;
  }
  char digits_[3] = {};
};

bool submit(nghttp2_session* session, std::int32_t stream, const Head& head, H2Exchange* body) {
  nghttp2_data_provider provider{};
  provider.source.ptr = body;
  provider.read_callback = h2_read_callback;
  return nghttp2_submit_response(session, stream, head.data(), head.size(), body ? &provider : nullptr) == 0;
}

void add_fields(Head& out, const ResponseHead& head, const ResponseForwarding& forwarding,
                std::string& scratch) {
  ForwardedFields fields(head, forwarding, scratch);
  for (Field field; fields.next(field);) out.add(field);
}

std::string& scratch_text() {
  thread_local std::string scratch;
  return scratch;
}

}  // namespace

bool submit_head(nghttp2_session* session, std::int32_t stream, const ResponseHead& head,
                 const ResponseForwarding& forwarding, H2Exchange* body) {
  Head out;
  out.status(head.status);
  add_fields(out, head, forwarding, scratch_text());
  return submit(session, stream, out, body);
}

bool submit_head(nghttp2_session* session, std::int32_t stream, int status, std::span<const Field> fields,
                 H2Exchange* body) {
  Head out;
  out.status(status);
  for (const Field& field : fields) out.add(field);
  return submit(session, stream, out, body);
}

bool submit_informational(nghttp2_session* session, std::int32_t stream, const ResponseHead& head) {
  ResponseForwarding forwarding;
  forwarding.client_version = Version::http2;
  Head out;
  out.status(head.status);
  add_fields(out, head, forwarding, scratch_text());
  return nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, stream, nullptr, out.data(), out.size(),
                                nullptr) == 0;
}

bool submit_trailers(nghttp2_session* session, std::int32_t stream, const H2Block& trailers) {
  Head out;
  for (const NameValue& field : trailers.fields()) out.add(field.name, field.value);
  return nghttp2_submit_trailer(session, stream, out.data(), out.size()) == 0;
}

}  // namespace envgate::http
