#include "base/settings_types.hpp"

#include <algorithm>
#include <charconv>

namespace envgate::settings {
namespace {

std::string found(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return "a single value";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
  }
  return "something else";
}

void report_kind(const Node& node, const std::string& expects, const Report& report) {
  report(node, "", "expected " + expects + "; found " + found(node));
}

// A number of T's unit inside its range, told in T's own notation.
template <typename T>
Type<T> ranged(std::string name, T least, T most, bool zero_is_none, Result<T> (*parse)(std::string_view),
               std::string (*format)(T)) {
  const std::string range = format(least) + " to " + format(most) + (zero_is_none ? ", or 0 for none" : "");
  auto read = [=](const std::string& text) -> Result<T> {
    Result<T> value = parse(text);
    if (!value || (zero_is_none && *value == T{})) return value;
    if (*value < least || *value > most) return fail("'" + text + "' is out of range: expected " + range);
    return value;
  };
  return parsed<T>(std::move(name) + " from " + range, std::move(read), format);
}

}  // namespace

const std::string* scalar_of(const Node& node, const std::string& expects, const Report& report) {
  if (node.kind == Node::Kind::scalar) return &node.scalar;
  report_kind(node, expects, report);
  return nullptr;
}

bool is_list(const Node& node, const std::string& expects, const Report& report) {
  if (node.kind == Node::Kind::list) return true;
  report_kind(node, expects, report);
  return false;
}

bool is_map(const Node& node, const std::string& expects, const Report& report) {
  if (node.kind == Node::Kind::map) return true;
  report_kind(node, expects, report);
  return false;
}

std::string quote_yaml(const std::string& text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:+-@%*=~";
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string::npos &&
                     text.front() != '-' &&
                     std::string_view("@%:*=~").find(text.front()) == std::string_view::npos &&
                     text.back() != ':' && text != "null" && text != "Null" && text != "NULL";
  if (plain) return text;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (byte < 0x20 || byte == 0x7f)
      out += "\\x", out += kHex[byte >> 4], out += kHex[byte & 15];
    else
      out += c;
  }
  return out + "\"";
}

Type<bool> boolean() {
  const auto parse = [](const std::string& text) -> Result<bool> {
    if (text == "true") return true;
    if (text == "false") return false;
    return fail("'" + text + "' is neither true nor false");
  };
  return parsed<bool>("true or false", parse, [](bool value) { return value ? "true" : "false"; });
}

Type<Duration> duration(Duration least, Duration most, bool zero_is_none) {
  return ranged<Duration>("a duration", least, most, zero_is_none, parse_duration, format_duration);
}

Type<Bytes> byte_size(Bytes least, Bytes most, bool zero_is_none) {
  return ranged<Bytes>("a size", least, most, zero_is_none, parse_bytes, format_bytes);
}

Type<Endpoint> endpoint() {
  const auto show = [](const Endpoint& value) { return quote_yaml(value.to_string()); };
  return parsed<Endpoint>(
      "an address and port, such as 0.0.0.0:443 or \"[::]:443\"",
      [](const std::string& text) { return Endpoint::parse(text); }, show);
}

Type<IpAddress> bind_address() {
  const auto parse = [](const std::string& text) -> Result<IpAddress> {
    if (text == "*") return IpAddress();
    const bool brackets = text.size() > 2 && text.front() == '[' && text.back() == ']';
    auto address = IpAddress::parse(brackets ? text.substr(1, text.size() - 2) : text);
    if (!address && Endpoint::parse(text))
      return fail("'" + text + "' has a port; write only the address, such as 0.0.0.0 or \"[::]\"");
    return address;
  };
  const auto show = [](const IpAddress& value) {
    return value.is_v4() ? value.to_string() : "\"[" + value.to_string() + "]\"";
  };
  return parsed<IpAddress>("an address without a port, such as 0.0.0.0 or \"[::]\"", parse, show);
}

Type<Cidr> cidr() {
  const auto show = [](const Cidr& value) { return quote_yaml(value.to_string()); };
  return parsed<Cidr>(
      "a network, such as 10.0.0.0/8 or fd00::/8", [](const std::string& text) { return Cidr::parse(text); },
      show);
}

Type<PortRange> port_range() {
  return parsed<PortRange>(
      "a range of ports, such as 50000-59999", [](const std::string& text) { return parse_port_range(text); },
      format_port_range);
}

Type<std::string> text(std::string expects, TextCheck check) {
  const auto parse = [check](const std::string& written) -> Result<std::string> {
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(written.begin(), written.end(), control)) return fail("holds a control character");
    const std::string wrong = check ? check(written) : "";
    if (!wrong.empty()) return fail("'" + written + "' " + wrong);
    return written;
  };
  return parsed<std::string>(std::move(expects), parse, quote_yaml);
}

Type<std::string> secret_url(std::string expects, TextCheck check) {
  const auto parse = [check](const std::string& written) -> Result<std::string> {
    if (const std::string wrong = check(written); !wrong.empty()) return fail(wrong);
    return written;
  };
  const auto show = [](const std::string& url) { return quote_yaml(mask_password(url)); };
  auto type = parsed<std::string>(std::move(expects), parse, show);
  type.secret = true;
  return type;
}

std::string mask_password(const std::string& url) {
  const auto scheme = url.find("://");
  const auto start = scheme == std::string::npos ? 0 : scheme + 3;
  // RFC 3986 section 3.2: the userinfo ends at the last '@' before the path; a password may itself hold an
  // '@' that somebody forgot to encode, so everything up to the last '@' of all counts as secret.
  const auto at = url.rfind('@');
  if (at == std::string::npos || at < start) return url;
  const auto colon = url.find(':', start);
  if (colon == std::string::npos || colon > at) return url;
  return url.substr(0, colon + 1) + "***" + url.substr(at);
}

Result<std::uint64_t> parse_whole_number(const std::string& written, std::uint64_t least,
                                         std::uint64_t most) {
  const std::string range = std::to_string(least) + " to " + std::to_string(most);
  std::uint64_t value = 0;
  const char* const end = written.data() + written.size();
  const auto [stop, error] = std::from_chars(written.data(), end, value);
  if (stop != end || written.empty() || error == std::errc::invalid_argument)
    return fail("'" + written + "' is not a whole number from " + range);
  if (error != std::errc() || value < least || value > most)
    return fail("'" + written + "' is out of range: expected " + range);
  return value;
}

std::optional<Record> read_record(const std::vector<std::string>& names, const std::string& expects,
                                  const Node& node, const Report& report) {
  if (!is_map(node, expects, report)) return std::nullopt;
  std::vector<std::optional<std::string>> values(names.size());
  std::vector<bool> seen(names.size());
  bool good = true;
  const auto complain = [&](const Node& at, const std::string& field, std::string message) {
    good = false;
    report(at, field.empty() ? "" : "." + field, std::move(message));
  };
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string& name = node.names[i].text;
    Node at;
    at.line = node.names[i].line;
    const auto field = std::find(names.begin(), names.end(), name);
    if (field == names.end()) {
      complain(at, name, "unknown; expected " + expects);
      continue;
    }
    const auto index = static_cast<std::size_t>(field - names.begin());
    if (seen[index]) complain(at, name, "given twice");
    seen[index] = true;
    if (node.items[i].kind != Node::Kind::scalar || node.items[i].scalar.empty())
      complain(at, name,
               "expected a text; found " +
                   (node.items[i].scalar.empty() && node.items[i].kind == Node::Kind::scalar
                        ? std::string("an empty one")
                        : found(node.items[i])));
    else
      values[index] = node.items[i].scalar;
  }
  Record record;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!seen[i]) complain(node, names[i], "missing; expected " + expects);
    record.push_back(values[i].value_or(""));
  }
  if (!good) return std::nullopt;
  return record;
}

}  // namespace envgate::settings
