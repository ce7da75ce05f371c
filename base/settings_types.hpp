// The types that a setting can have. A Type<T> reads a T from a Node, writes it back as text that it would
// read again (with secrets masked), and says in words what it expects, which ends every "wrong type" message.
// A schema combines them: list_of(cidr()), optional(endpoint()), record(...).
//
// Used while settings load: speed is no point here, saying exactly what is wrong is. Thread: any, Types are
// immutable.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/ip.hpp"
#include "base/settings_node.hpp"
#include "base/units.hpp"

namespace envgate::settings {

enum class Shape : std::uint8_t { scalar, list };

template <typename T>
struct Type {
  std::string expects;  // completes "expected ...": "a duration, such as 10s"
  // Empty where the node is not a T; then it has reported at least one problem.
  std::function<std::optional<T>(const Node&, const Report&)> read;
  std::function<std::string(const T&)> show;  // never a secret
  Shape shape = Shape::scalar;                // list: a variable or --set may write it as "a,b" or "[a, b]"
  bool secret = false;                        // what was written must not be repeated in a message
};

// The text of a node that must be a scalar, or null after a report that ends with `expects`.
const std::string* scalar_of(const Node& node, const std::string& expects, const Report& report);
// Reports and is false where the node is not a list (or a map).
bool is_list(const Node& node, const std::string& expects, const Report& report);
bool is_map(const Node& node, const std::string& expects, const Report& report);
// As a YAML flow scalar: quoted where plain text would be read as something else.
std::string quote_yaml(const std::string& text);

// A type whose text a function parses: Result<T>(const std::string&).
template <typename T, typename Parse, typename Show>
Type<T> parsed(std::string expects, Parse parse, Show show) {
  auto read = [expects, parse](const Node& node, const Report& report) -> std::optional<T> {
    const std::string* text = scalar_of(node, expects, report);
    if (!text) return std::nullopt;
    Result<T> value = parse(*text);
    if (value) return std::move(*value);
    report(node, "", value.error().message);
    return std::nullopt;
  };
  return {std::move(expects), std::move(read), std::move(show)};
}

Type<bool> boolean();  // true or false; yes, no, on and off are refused by name
Type<Duration> duration(Duration least, Duration most, bool zero_is_none = false);
Type<Bytes> byte_size(Bytes least, Bytes most, bool zero_is_none = false);
Type<Endpoint> endpoint();
// An address to bind without a port: "0.0.0.0", "::" or "[::]", and "*", which is "::".
Type<IpAddress> bind_address();
Type<Cidr> cidr();
Type<PortRange> port_range();

// Any text, or what `check` accepts; check gives the reason of a refusal, or empty.
using TextCheck = std::function<std::string(const std::string&)>;
Type<std::string> text(std::string expects, TextCheck check = nullptr);
// A URL whose password is shown as ***, and which no message repeats.
Type<std::string> secret_url(std::string expects, TextCheck check);
std::string mask_password(const std::string& url);

Result<std::uint64_t> parse_whole_number(const std::string& text, std::uint64_t least, std::uint64_t most);

template <typename T>
Type<T> integer(T least, T most = std::numeric_limits<T>::max()) {
  static_assert(std::is_unsigned_v<T>);
  return parsed<T>(
      "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
      [=](const std::string& written) -> Result<T> {
        auto value = parse_whole_number(written, least, most);
        if (!value) return tl::unexpected(value.error());
        return static_cast<T>(*value);
      },
      [](const T& value) { return std::to_string(value); });
}

// One of a few words.
template <typename T>
Type<T> choice(std::vector<std::pair<std::string, T>> words) {
  std::string names;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) names += i + 1 == words.size() ? " or " : ", ";
    names += words[i].first;
  }
  auto parse = [words, names](const std::string& written) -> Result<T> {
    for (const auto& [word, value] : words)
      if (word == written) return value;
    return fail("'" + written + "' is not " + (words.size() > 2 ? "one of " : "") + names);
  };
  auto show = [words](const T& value) -> std::string {
    for (const auto& [word, meaning] : words)
      if (meaning == value) return word;
    return "?";
  };
  return parsed<T>(names, std::move(parse), std::move(show));
}

// Empty text is "none": bind: "" turns a listener off.
template <typename T>
Type<std::optional<T>> optional(Type<T> inner) {
  std::string expects = inner.expects + ", or \"\" for none";
  auto read = [inner, expects](const Node& node, const Report& report) -> std::optional<std::optional<T>> {
    const std::string* written = scalar_of(node, expects, report);
    if (!written) return std::nullopt;
    if (written->empty()) return std::optional<T>();
    auto value = inner.read(node, report);
    if (!value) return std::nullopt;
    return std::optional<std::optional<T>>(std::move(value));
  };
  auto show = [inner](const std::optional<T>& value) {
    return value ? inner.show(*value) : std::string("\"\"");
  };
  return {std::move(expects), std::move(read), std::move(show)};
}

template <typename T>
Type<std::vector<T>> list_of(Type<T> element) {
  std::string expects = "a list [...], each " + element.expects;
  auto read = [element, expects](const Node& node, const Report& report) -> std::optional<std::vector<T>> {
    if (!is_list(node, expects, report)) return std::nullopt;
    std::vector<T> values;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const Report at = [&report, i](const Node& where, const std::string& below, std::string message) {
        report(where, "[" + std::to_string(i) + "]" + below, std::move(message));
      };
      if (auto value = element.read(node.items[i], at)) values.push_back(std::move(*value));
    }
    if (values.size() != node.items.size()) return std::nullopt;
    return values;
  };
  auto show = [element](const std::vector<T>& values) {
    std::string out = "[";
    for (const T& value : values) {
      if (out.size() > 1) out += ", ";
      out += element.show(value);
    }
    return out + "]";
  };
  return {std::move(expects), std::move(read), std::move(show), Shape::list, element.secret};
}

// A map of texts with fixed fields, all required: {certificate: FILE, key: FILE}.
using Record = std::vector<std::string>;  // the values, in the order of the field names
std::optional<Record> read_record(const std::vector<std::string>& names, const std::string& expects,
                                  const Node& node, const Report& report);

template <typename T>
Type<T> record(std::vector<std::pair<std::string, std::string T::*>> fields) {
  std::vector<std::string> names;
  std::string expects;
  for (const auto& field : fields) {
    names.push_back(field.first);
    expects += (expects.empty() ? "{" : ", ") + field.first + ": ...";
  }
  expects += "}";
  auto read = [=](const Node& node, const Report& report) -> std::optional<T> {
    const auto values = read_record(names, expects, node, report);
    if (!values) return std::nullopt;
    T out;
    for (std::size_t i = 0; i < fields.size(); ++i) out.*(fields[i].second) = (*values)[i];
    return out;
  };
  auto show = [fields](const T& value) {
    std::string out = "{";
    for (const auto& [name, member] : fields) {
      if (out.size() > 1) out += ", ";
      out += name + ": " + quote_yaml(value.*member);
    }
    return out + "}";
  };
  return {std::move(expects), std::move(read), std::move(show)};
}

}  // namespace envgate::settings
