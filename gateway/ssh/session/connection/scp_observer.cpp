#include "gateway/ssh/session/connection/scp_observer.hpp"

#include <algorithm>
#include <charconv>

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kLineMax = 4096 + 64;  // a name, a mode and a length
constexpr std::size_t kDepthMax = 256;       // directories in each other
constexpr std::size_t kPathMax = 4096;
constexpr std::size_t kUnacknowledgedMax = 256;
constexpr char kWarning = 1, kFatal = 2;

bool is_decimal(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view next_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

bool is_mode(std::string_view text) {
  return text.size() == 4 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
}

}  // namespace

ScpObserver::ScpObserver(Side sender, std::uint32_t channel, const Sink& sink)
    : FileObserver(channel, sink), sender_(sender) {
  unacknowledged_.push_back({Sent::What::start, {}});  // the receiver begins with one
}

void ScpObserver::look(Side from, std::string_view bytes) {
  if (!(from == sender_ ? sent(bytes) : acknowledged(bytes)))
    stop(std::string("what the ") + name(from) + " sends is not scp's protocol");
}

void ScpObserver::finish() {
  for (Sent& sent : unacknowledged_) {
    if (sent.what != Sent::What::bytes) continue;
    if (sent.file.result == "ok") sent.file.result = "no acknowledgement";
    sent.file.sha256.clear();
    tell(std::move(sent.file));
  }
  unacknowledged_.clear();
  const bool in_file = expects_ == Expects::bytes || expects_ == Expects::status ||
                       (expects_ == Expects::message && after_bytes_);
  if (!in_file) return;
  file_.bytes = hash_.size();
  file_.result = "cut off";
  tell(std::move(file_));
  expects_ = Expects::line;
}

bool ScpObserver::sent(std::string_view bytes) {
  while (!bytes.empty()) {
    if (expects_ == Expects::bytes) {
      const std::string_view piece = bytes.substr(0, missing_);
      hash_.add(piece);
      missing_ -= piece.size();
      ahead_ += piece.size();
      bytes.remove_prefix(piece.size());
      if (missing_ == 0) expects_ = Expects::status;
      continue;
    }
    const char c = bytes[0];
    bytes.remove_prefix(1);
    const bool good = expects_ == Expects::line     ? line_byte(c)
                      : expects_ == Expects::status ? status_byte(c)
                                                    : message_byte(c);
    if (!good) return false;
  }
  return true;
}

bool ScpObserver::line_byte(char c) {
  if (line_.empty() && (c == kWarning || c == kFatal)) {
    expects_ = Expects::message;
    after_bytes_ = false;
    return true;
  }
  if (c == '\n') {
    const bool good = line();
    line_.clear();
    return good;
  }
  line_ += c;
  return line_.size() <= kLineMax;
}

bool ScpObserver::line() {
  switch (line_.empty() ? '\0' : line_[0]) {
    case 'C': return file_line(line_);
    case 'T': return expect(Sent::What::line);
    case 'E':
      if (directories_.empty() || line_.size() != 1) return false;
      leave_directory();
      return expect(Sent::What::line);
    case 'D': {
      std::string_view words = std::string_view(line_).substr(1);
      std::uint64_t size;
      if (!is_mode(next_word(words)) || !is_decimal(next_word(words), size) || words.empty()) return false;
      depth_bytes_ += words.size() + 1;
      directories_.emplace_back(words);
      return directories_.size() <= kDepthMax && depth_bytes_ <= kPathMax && expect(Sent::What::directory);
    }
    default: return false;
  }
}

void ScpObserver::leave_directory() {
  depth_bytes_ -= directories_.back().size() + 1;
  directories_.pop_back();
}

bool ScpObserver::file_line(std::string_view line) {
  std::string_view words = line.substr(1);
  if (!is_mode(next_word(words)) || !is_decimal(next_word(words), missing_) || words.empty()) return false;
  file_ = monitor::FileMoved();
  file_.operation = sender_ == Side::client ? "write" : "read";
  file_.direction = sender_ == Side::client ? "upload" : "download";
  file_.path = path_of(words);
  hash_ = FileHash();
  ahead_ = 0;
  expects_ = missing_ > 0 ? Expects::bytes : Expects::status;
  return expect(Sent::What::file);
}

// Behind a file's bytes: whether the sender could read them all.
bool ScpObserver::status_byte(char c) {
  ++ahead_;
  if (c == '\0') return end_of_bytes({});
  if (c != kWarning && c != kFatal) return false;
  expects_ = Expects::message;
  after_bytes_ = true;
  return true;
}

bool ScpObserver::message_byte(char c) {
  if (c != '\n') {
    line_ += c;
    return line_.size() <= kLineMax;
  }
  const std::string message = std::move(line_);
  line_.clear();
  expects_ = Expects::line;
  if (after_bytes_) return end_of_bytes(message);
  // "No such file": the sender goes on to the next one, and no acknowledgement comes for it.
  monitor::FileMoved event;
  event.operation = sender_ == Side::client ? "write" : "read";
  event.result = message.empty() ? "failure" : message;
  tell(std::move(event));
  return true;
}

bool ScpObserver::end_of_bytes(const std::string& failure) {
  expects_ = Expects::line;
  file_.bytes = hash_.size();
  file_.result = failure.empty() ? "ok" : failure;
  if (failure.empty()) file_.sha256 = hash_.hexadecimal();
  if (!expect(Sent::What::bytes)) return false;
  unacknowledged_.back().file = std::move(file_);
  return true;
}

bool ScpObserver::acknowledged(std::string_view bytes) {
  for (const char c : bytes) {
    if (!refusing_) {
      if (c == '\0') {
        if (!acknowledge({})) return false;
        continue;
      }
      if (c != kWarning && c != kFatal) return false;
      refusing_ = true;
      refusal_.clear();
    } else if (c != '\n') {
      refusal_ += c;
      if (refusal_.size() > kLineMax) return false;
    } else {
      refusing_ = false;
      if (!acknowledge(refusal_.empty() ? "failure" : refusal_)) return false;
    }
  }
  return true;
}

bool ScpObserver::acknowledge(const std::string& failure) {
  if (unacknowledged_.empty()) return false;
  Sent sent = std::move(unacknowledged_.front());
  unacknowledged_.pop_front();
  if (sent.what == Sent::What::bytes) {
    if (!failure.empty()) {
      sent.file.result = failure;
      sent.file.sha256.clear();
    }
    tell(std::move(sent.file));
    return true;
  }
  if (failure.empty() || sent.what == Sent::What::start) return true;
  if (sent.what == Sent::What::directory && unacknowledged_.empty()) leave_directory();
  if (sent.what != Sent::What::file) return unacknowledged_.empty();
  // The file is refused, and its bytes are not to come; where some are there already, they are something
  // else.
  if (!unacknowledged_.empty() || ahead_ > 0) return false;
  file_.result = failure;
  tell(std::move(file_));
  expects_ = Expects::line;
  missing_ = 0;
  return true;
}

std::string ScpObserver::path_of(std::string_view name) const {
  std::string path;
  for (const std::string& directory : directories_) path += directory + '/';
  path += name;
  return path;
}

bool ScpObserver::expect(Sent::What what) {
  if (unacknowledged_.size() >= kUnacknowledgedMax) return false;
  unacknowledged_.push_back({what, {}});
  return true;
}

}  // namespace envgate::ssh::session
