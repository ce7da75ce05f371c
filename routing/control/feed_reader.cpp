#include "routing/control/feed_reader.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>

#include "routing/json_fields.hpp"

namespace envgate::routing::control {
namespace {

using nlohmann::json;
using Type = FeedMessage::Type;

std::string_view without_cr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// What is shown of a stranger's text: short, and in one line.
std::string shown(std::string_view text) { return JsonFields::quoted(text.substr(0, 80)); }

bool field_is(std::string_view line, std::string_view name, std::string_view& value) {
  if (line.size() <= name.size() || line[name.size()] != ':') return false;
  if (::strncasecmp(line.data(), name.data(), name.size()) != 0) return false;
  value = line.substr(name.size() + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  return true;
}

// "HTTP/1.0 200 OK" -> "200 OK"; empty if it is none.
std::string_view status_of(std::string_view line) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool good = line.size() >= 12 && line.starts_with("HTTP/1.") && digit(line[7]) && line[8] == ' ' &&
                    std::all_of(line.begin() + 9, line.begin() + 12, digit) &&
                    (line.size() == 12 || line[12] == ' ');
  return good ? line.substr(9) : std::string_view();
}

std::string_view text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

bool valid_install(std::string_view name) {
  return !name.empty() && name.size() <= kMaxInstall && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::optional<Type> type_of(std::string_view name) {
  constexpr std::string_view names[] = {"begin", "route", "end", "gone", "alive"};
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Type>(found - std::begin(names));
}

// A route whose environment cannot be told is a malformed line: there is nobody to refuse. Anything else that
// is wrong with it is this route's own affair.
Result<void> read_route(const json& line, FeedMessage& message) {
  const auto route = line.find("route");
  if (route == line.end() || !route->is_object()) return fail("it has no route");
  const std::string_view name = text_of(*route, route->contains("env") ? "env" : "env_id");
  const auto env = EnvId::parse(name);
  if (!env) return fail("its route is of no environment: " + shown(name));
  message.env = *env;
  message.route = parse_route_tree(message.env, *route, UnknownKeys::allow);
  return {};
}

}  // namespace

Result<FeedMessage> parse_feed_line(std::string_view text) {
  const json line = json::parse(text, nullptr, false);
  if (!line.is_object()) return fail("a line of the feed is not a JSON object: " + shown(text));
  const std::string_view name = text_of(line, "type");
  const auto type = type_of(name);
  if (!type) return fail("a line of the feed has an unknown type: " + shown(text));
  const auto malformed = [&](const std::string& why) {
    return fail("a malformed line of the feed (" + std::string(name) + "): " + why + ": " + shown(text));
  };
  FeedMessage message;
  message.type = *type;
  if (const auto number = line.find("generation"); number != line.end()) {
    if (!number->is_number_unsigned()) return malformed("its generation is not a whole number");
    message.generation = number->get<std::uint64_t>();
  } else if (*type != Type::route) {
    return malformed("it has no generation");
  }
  if (*type == Type::begin) {
    message.install = text_of(line, "install");
    if (!valid_install(message.install)) return malformed("its install is not 1 to 64 of [A-Za-z0-9._-]");
  } else if (*type == Type::gone) {
    const auto env = EnvId::parse(text_of(line, "env"));
    if (!env) return malformed("it names no environment");
    message.env = *env;
  } else if (*type == Type::route) {
    if (const auto read = read_route(line, message); !read) return malformed(read.error().message);
  }
  return message;
}

void FeedReader::add(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  buffer_ += bytes;
}

Result<std::optional<FeedMessage>> FeedReader::next() {
  if (part_ == Part::head) {
    const auto whole = read_head();
    if (!whole) return Failure(whole.error());
    if (!*whole) return std::nullopt;
  }
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (part_ == Part::refusal) {
    if (rest.size() < body_size_) return std::nullopt;
    return Failure(refusal());
  }
  const std::size_t end = buffer_.find('\n', scanned_);
  const std::size_t size = (end == std::string::npos ? buffer_.size() : end) - begin_;
  if (size > kMaxLine)
    return fail("a line of the feed is longer than " + std::to_string(kMaxLine) + " bytes: " + shown(rest));
  scanned_ = end == std::string::npos ? buffer_.size() : end + 1;
  if (end == std::string::npos) return std::nullopt;
  begin_ = scanned_;
  auto message = parse_feed_line(without_cr(rest.substr(0, size)));
  if (!message) return Failure(message.error());
  return std::move(*message);
}

// True once all of the head is there; from its start each time, since it is short and usually comes whole.
Result<bool> FeedReader::read_head() {
  std::string_view rest = std::string_view(buffer_).substr(begin_);
  std::size_t end = 0;
  for (std::size_t from = 0;; from = end + 1) {
    end = rest.find('\n', from);
    if (end == std::string_view::npos || end >= kMaxHead) {
      if (rest.size() < kMaxHead) return false;
      return fail("the answer's head is longer than " + std::to_string(kMaxHead) + " bytes");
    }
    const std::string_view line = without_cr(rest.substr(from, end - from));
    std::string_view value;
    if (from == 0) {
      status_ = status_of(line);
      if (status_.empty()) return fail("the answer is not HTTP: " + shown(line));
    } else if (line.empty()) {
      break;
    } else if (field_is(line, "Transfer-Encoding", value)) {
      return fail("the answer has a Transfer-Encoding, which HTTP/1.0 does not know: " + shown(value));
    } else if (field_is(line, "Content-Length", value)) {
      std::size_t size = 0;
      const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), size);
      if (error != std::errc() || stop != value.data() + value.size())
        return fail("the answer's Content-Length is not a number: " + shown(value));
      body_size_ = std::min(size, kMaxHead);
    }
  }
  begin_ = scanned_ = begin_ + end + 1;
  part_ = status_.starts_with("200") ? Part::lines : Part::refusal;
  return true;
}

Error FeedReader::refusal() const {
  std::string message = "it answered " + status_.substr(0, 80);
  const json problem = json::parse(std::string_view(buffer_).substr(begin_, body_size_), nullptr, false);
  if (problem.is_object()) {
    if (const std::string_view detail = text_of(problem, "detail"); !detail.empty())
      message.append(": ").append(detail.substr(0, 400));
  }
  if (status_.starts_with("403") && message.find("control.groups") == message.npos)
    message += " (the gateway's account must be in one of the groups of control.groups.read)";
  return {message};
}

Error FeedReader::closed() const {
  if (part_ == Part::refusal) return refusal();
  return {part_ == Part::head ? "closed by the server before it answered" : "closed by the server"};
}

}  // namespace envgate::routing::control
