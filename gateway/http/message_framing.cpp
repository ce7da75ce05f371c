#include "gateway/http/message_framing.hpp"

#include <limits>

#include "gateway/http/h1_bytes.hpp"

namespace envgate::http::internal {
namespace {

// Each option is compared with each field: bounded, so that a head cannot buy a quadratic search.
constexpr int kConnectionOptionsMax = 32;

void nominate(FieldList& fields, std::string_view name) {
  for (Field& field : fields)
    if (equals_ignoring_case(field.name, name) && !is_protected_from_nomination(field.name, field.id))
      field.nominated = true;
}

Verdict read_connection(FieldList& fields, std::string_view list, int status, int& seen, ControlFields& out) {
  std::string_view option;
  while (next_list_member(list, option)) {
    if (++seen > kConnectionOptionsMax) return reject(status, "too_many_connection_options");
    if (!is_token(option)) return reject(status, "bad_connection");
    if (equals_ignoring_case(option, "close")) out.close = true;
    else if (equals_ignoring_case(option, "keep-alive")) out.keep_alive = true;
    else if (equals_ignoring_case(option, "upgrade")) out.upgrade = true;
    else nominate(fields, option);
  }
  return {};
}

bool lists(std::string_view list, std::string_view wanted) {
  std::string_view member;
  while (next_list_member(list, member))
    if (equals_ignoring_case(member, wanted)) return true;
  return false;
}

void note(const Field*& slot, const Field& field, std::string_view reason, ControlFields& out) {
  if (slot != nullptr && out.repeated.empty()) out.repeated = reason;
  slot = &field;
}

}  // namespace

Verdict gather_control_fields(FieldList& fields, int status, ControlFields& out) {
  int options = 0;
  for (const Field& field : fields) {
    switch (field.id) {
      case FieldId::host:
        out.two_hosts |= out.host != nullptr;
        out.host = &field;
        break;
      case FieldId::content_length: note(out.content_length, field, "two_lengths", out); break;
      case FieldId::transfer_encoding:
        note(out.transfer_encoding, field, "two_transfer_encodings", out);
        break;
      case FieldId::expect:
        (equals_ignoring_case(field.value, "100-continue") ? out.expect_continue : out.expect_other) = true;
        break;
      case FieldId::upgrade: out.websocket |= lists(field.value, "websocket"); break;
      case FieldId::te: out.te_trailers |= lists(field.value, "trailers"); break;
      case FieldId::connection:
        if (auto verdict = read_connection(fields, field.value, status, options, out); !verdict.ok())
          return verdict;
        break;
      default: break;
    }
  }
  return {};
}

bool parse_content_length(std::string_view text, std::uint64_t& out) {
  if (text.empty() || text.size() > 19) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits fit in 64 bits
  }
  out = value;
  return value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

Verdict read_framing(const ControlFields& control, Version version, int status, Framing& framing,
                     std::uint64_t& length) {
  if (!control.repeated.empty()) return reject(status, control.repeated);
  if (control.transfer_encoding != nullptr) {
    // RFC 9112 section 6.1: each of these has been used to make two servers see different messages.
    if (control.content_length != nullptr) return reject(status, "length_and_transfer_encoding");
    if (version == Version::http10) return reject(status, "transfer_encoding_in_http10");
    if (!equals_ignoring_case(control.transfer_encoding->value, "chunked"))
      return reject(status, "transfer_encoding_not_chunked");
    framing = Framing::chunked;
    return {};
  }
  if (control.content_length == nullptr) return {};
  if (!parse_content_length(control.content_length->value, length)) return reject(status, "bad_length");
  framing = Framing::length;
  return {};
}

bool has_target_bytes_only(std::string_view target) {
  return all_target_bytes(target.data(), target.data() + target.size());
}

Verdict read_path(std::string_view target, RequestHead& out) {
  if (!has_target_bytes_only(target)) return reject(400, "bad_target");
  const bool asterisk = target == "*" && out.method == Method::options;
  if (!asterisk && !target.starts_with('/')) return reject(400, "bad_target");
  const std::size_t question = target.find('?');
  out.path = target.substr(0, question);
  if (question != std::string_view::npos) out.query = target.substr(question);
  return {};
}

}  // namespace envgate::http::internal
