#include "base/settings_yaml.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cerrno>
#include <sstream>

namespace envgate::settings {
namespace {

struct Refused {
  int line;
  std::string message;
};

// Builds the tree from yaml-cpp's events rather than from its Node, which would expand aliases, keep no line
// for a key and make sixteen allocations a value. The events of a parent come before its children's, so a
// limit that throws here also ends yaml-cpp's own recursion.
class TreeBuilder final : public YAML::EventHandler {
 public:
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    leaf(mark, "", anchor, Node::Kind::null, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark.line + 1, "aliases (*name) are not used here: write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    leaf(mark, tag, anchor, Node::Kind::scalar, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { leave(); }

 private:
  static void refuse_extras(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refused{mark.line + 1, "anchors (&name) are not used here: write the value out"};
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Refused{mark.line + 1, "tags (" + tag + ") are not used here"};
  }

  // In a map the events alternate: a key, then its value.
  bool wants_key() const {
    return !open_.empty() && open_.back().kind == Node::Kind::map &&
           open_.back().names.size() == open_.back().items.size();
  }

  void leaf(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind,
            std::string text) {
    refuse_extras(mark, tag, anchor);
    if (wants_key()) {
      if (kind == Node::Kind::null) throw Refused{mark.line + 1, "a key is missing before ':'"};
      open_.back().names.push_back({std::move(text), mark.line + 1});
      return;
    }
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.scalar = std::move(text);
    place(std::move(node));
  }

  void enter(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    refuse_extras(mark, tag, anchor);
    if (wants_key())
      throw Refused{mark.line + 1, "a key must be a plain word (is a closing ] or } missing?)"};
    if (open_.size() >= kMaxDepth)
      throw Refused{mark.line + 1, "nested more than " + std::to_string(kMaxDepth) + " deep"};
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    open_.push_back(std::move(node));
  }

  void leave() {
    Node done = std::move(open_.back());
    open_.pop_back();
    place(std::move(done));
  }

  void place(Node node) {
    if (open_.empty())
      root_ = std::move(node);
    else
      open_.back().items.push_back(std::move(node));
  }

  Node root_;
  std::vector<Node> open_;
};

}  // namespace

tl::expected<Node, SettingError> parse_yaml(std::string_view text, const std::string& source) {
  const auto refuse = [&](int line, std::string message) {
    std::string place = line > 0 ? source + ":" + std::to_string(line) : source;
    return tl::unexpected(SettingError{std::move(place), "", std::move(message)});
  };
  if (text.size() > kMaxFileBytes) return refuse(0, "more than 1 MiB; settings are never that long");
  if (const auto at = text.find('\0'); at != std::string_view::npos)
    return refuse(0, "holds a NUL byte at offset " + std::to_string(at) + "; is it a text file?");
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return Node{};
    Node root = builder.take();
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest))
      return refuse(0, "holds more than one YAML document ('---'); write one");
    return root;
  } catch (const Refused& refused) {
    return refuse(refused.line, refused.message);
  } catch (const YAML::Exception& problem) {
    return refuse(problem.mark.line + 1, "not valid YAML: " + problem.msg);
  }
}

Result<std::string> read_settings_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno("cannot open", errno);
  std::string text;
  char buffer[16384];
  ssize_t n;
  while ((n = ::read(fd, buffer, sizeof(buffer))) > 0 && text.size() <= kMaxFileBytes)
    text.append(buffer, static_cast<std::size_t>(n));
  const int error = errno;
  ::close(fd);
  if (n < 0) return fail_errno("cannot read", error);
  return text;
}

}  // namespace envgate::settings
