#include "gateway/http/message_h2.hpp"

#include "gateway/http/h1_bytes.hpp"
#include "gateway/http/message_framing.hpp"

namespace envgate::http {
namespace {

using internal::ControlFields;

struct PseudoFields {
  std::string_view method, scheme, authority, path, protocol;
};

std::string_view* slot_of(std::string_view name, PseudoFields& pseudo) {
  if (name == ":method") return &pseudo.method;
  if (name == ":scheme") return &pseudo.scheme;
  if (name == ":authority") return &pseudo.authority;
  if (name == ":path") return &pseudo.path;
  if (name == ":protocol") return &pseudo.protocol;
  return nullptr;
}

// RFC 9113 section 8.2.1, and the stricter rule of RFC 9110 section 5.6.2: only these can be written into
// HTTP/1.1.
bool is_good_name(std::string_view name) {
  for (const char c : name)
    if (!internal::kNameTable[static_cast<unsigned char>(c)] || (c >= 'A' && c <= 'Z')) return false;
  return !name.empty();
}

bool is_good_value(std::string_view value) {
  const char* const end = value.data() + value.size();
  return internal::find_control(value.data(), end) == end && trim(value).size() == value.size();
}

bool is_connection_specific(FieldId id) {  // RFC 9113 section 8.2.2
  return id == FieldId::connection || id == FieldId::keep_alive || id == FieldId::proxy_connection ||
         id == FieldId::transfer_encoding || id == FieldId::upgrade;
}

Verdict add_pseudo(const NameValue& field, PseudoFields& pseudo, const FieldList& fields) {
  if (!fields.empty()) return reject(400, "pseudo_field_after_field");
  std::string_view* const slot = slot_of(field.name, pseudo);
  if (slot == nullptr) return reject(400, "unknown_pseudo_field");
  if (slot->data() != nullptr) return reject(400, "two_pseudo_fields");
  if (field.value.empty()) return reject(400, "empty_pseudo_field");
  *slot = field.value;
  return {};
}

Verdict add_field(const NameValue& field, FieldList& fields) {
  if (!is_good_name(field.name)) return reject(400, "bad_name");
  if (!is_good_value(field.value)) return reject(400, "bad_value");
  const FieldId id = field_id(field.name);
  if (is_connection_specific(id)) return reject(400, "connection_specific_field");
  if (id == FieldId::te && !equals_ignoring_case(field.value, "trailers")) return reject(400, "bad_te");
  fields.push_back({field.name, field.value, id, false});
  return {};
}

Verdict sort_fields(std::span<const NameValue> block, const HeadLimits& limits, PseudoFields& pseudo,
                    FieldList& fields) {
  std::size_t total = 0;
  for (const NameValue& field : block) {
    const bool is_path = field.name == ":path";
    const std::size_t size = field.name.size() + field.value.size();
    if (size > (is_path ? limits.request_line : limits.field_line))
      return is_path ? reject(414, "first_line_too_long") : reject(431, "field_line_too_long");
    if ((total += size) > limits.head) return reject(431, "head_too_long");
    if (fields.size() >= limits.fields) return reject(431, "too_many_fields");
    const Verdict verdict =
        field.name.starts_with(':') ? add_pseudo(field, pseudo, fields) : add_field(field, fields);
    if (!verdict.ok()) return verdict;
  }
  return {};
}

Verdict read_method(const PseudoFields& pseudo, bool end_stream, RequestHead& out) {
  if (pseudo.method.size() > internal::kMethodMax || !is_token(pseudo.method))
    return reject(400, "bad_method");
  out.method_name = pseudo.method;
  out.method = method_of(pseudo.method);
  if (out.method == Method::trace) return reject(405, "trace_refused");
  if (pseudo.protocol.empty()) {
    if (out.method == Method::connect) return reject(405, "connect_refused");
    return {};
  }
  // RFC 8441 section 4.
  if (out.method != Method::connect) return reject(400, "protocol_without_connect");
  if (!equals_ignoring_case(pseudo.protocol, "websocket")) return reject(501, "unknown_protocol");
  if (end_stream) return reject(400, "upgrade_with_body");
  out.upgrade = Upgrade::websocket;
  return {};
}

// RFC 9113 section 8.3.1: Host may stand in for :authority, and must not differ from it.
Verdict read_authority(const PseudoFields& pseudo, const ControlFields& control, RequestHead& out) {
  if (control.two_hosts) return reject(400, "two_hosts");
  if (pseudo.authority.empty() && control.host == nullptr) return reject(400, "no_host");
  const std::string_view text = pseudo.authority.empty() ? control.host->value : pseudo.authority;
  if (!parse_authority(text, out.authority)) return reject(400, "bad_host");
  if (control.host != nullptr && !equals_ignoring_case(control.host->value, text))
    return reject(400, "target_differs_from_host");
  return {};
}

Verdict read_body(const ControlFields& control, bool end_stream, RequestHead& out) {
  const bool tunnel = out.upgrade == Upgrade::websocket;
  out.framing = end_stream || tunnel ? Framing::none : Framing::until_end;
  auto verdict = internal::read_framing(control, Version::http2, 400, out.framing, out.content_length);
  if (!verdict.ok()) return verdict;
  if (tunnel && control.content_length != nullptr) return reject(400, "upgrade_with_body");
  if (end_stream && out.content_length > 0) return reject(400, "length_differs_from_data");
  if (control.expect_other) return reject(417, "unknown_expectation");
  out.expect_continue = control.expect_continue && out.has_body();
  out.accepts_trailers = control.te_trailers;
  return {};
}

}  // namespace

Verdict build_h2_request(std::span<const NameValue> block, bool end_stream, const HeadLimits& limits,
                         RequestHead& out) {
  out.clear();
  out.version = Version::http2;
  PseudoFields pseudo;
  if (auto verdict = sort_fields(block, limits, pseudo, out.fields); !verdict.ok()) return verdict;
  if (pseudo.method.empty()) return reject(400, "missing_pseudo_field");
  if (auto verdict = read_method(pseudo, end_stream, out); !verdict.ok()) return verdict;
  if (pseudo.scheme.empty() || pseudo.path.empty()) return reject(400, "missing_pseudo_field");
  if (!equals_ignoring_case(pseudo.scheme, "https") && !equals_ignoring_case(pseudo.scheme, "http"))
    return reject(400, "bad_scheme");
  if (auto verdict = internal::read_path(pseudo.path, out); !verdict.ok()) return verdict;
  ControlFields control;
  if (auto verdict = internal::gather_control_fields(out.fields, 400, control); !verdict.ok()) return verdict;
  if (auto verdict = read_authority(pseudo, control, out); !verdict.ok()) return verdict;
  return read_body(control, end_stream, out);
}

bool is_good_h2_trailer(const NameValue& field) {
  return is_good_name(field.name) && is_good_value(field.value) &&
         !is_forbidden_in_trailers(field.name, field_id(field.name));
}

}  // namespace envgate::http
