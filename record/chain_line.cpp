#include "record/chain_line.hpp"

#include <algorithm>
#include <charconv>

#include "base/json_line.hpp"

namespace envgate::record {
namespace {

constexpr std::string_view kSignature = R"(,"signature":")";
constexpr std::string_view kPurpose = "envgate record chain 1\n";  // a signature for this is for nothing else

std::string ended(std::string line, const SigningKey* key) {
  if (key) {
    const Signature signature = key->sign(std::string(kPurpose) + line);
    line.append(kSignature).append(to_hex(signature)).append("\"");
  }
  return line + "}\n";
}

// Reads along a line of fixed form. What it meets first decides: the text ends, or it differs.
class Scanner {
 public:
  explicit Scanner(std::string_view line) : line_(line) {}

  void text(std::string_view expected) {
    if (state_ != Read::good) return;
    const std::string_view found = line_.substr(at_, expected.size());
    if (expected.starts_with(found) && found.size() < expected.size()) return stop(Read::short_);
    if (found != expected) return stop(Read::wrong);
    at_ += expected.size();
  }

  void hex(std::span<unsigned char> out) {
    if (state_ != Read::good) return;
    const std::string_view found = line_.substr(at_, out.size() * 2);
    if (found.find_first_not_of("0123456789abcdef") != found.npos) return stop(Read::wrong);
    if (found.size() < out.size() * 2) return stop(Read::short_);
    from_hex(found, out);
    at_ += found.size();
  }

  void number(std::uint64_t& out) {
    if (state_ != Read::good) return;
    const char* const begin = line_.data() + at_;
    const auto read = std::from_chars(begin, line_.data() + line_.size(), out);
    if (at_ == line_.size()) return stop(Read::short_);
    if (read.ec != std::errc() || (*begin == '0' && read.ptr - begin > 1)) return stop(Read::wrong);
    at_ += static_cast<std::size_t>(read.ptr - begin);
    if (at_ == line_.size()) stop(Read::short_);
  }

  void seconds(std::chrono::microseconds& out) {
    std::uint64_t whole = 0, rest = 0;
    number(whole);
    text(".");
    if (state_ != Read::good) return;
    const std::string_view digits = line_.substr(at_, 6);
    if (digits.find_first_not_of("0123456789") != digits.npos) return stop(Read::wrong);
    if (digits.size() < 6) return stop(Read::short_);
    std::from_chars(digits.data(), digits.data() + 6, rest);
    at_ += 6;
    if (whole > 1'000'000'000'000) return stop(Read::wrong);
    out = std::chrono::microseconds(whole * 1'000'000 + rest);
  }

  Read end(const std::optional<PublicKey>& key) {
    const std::string message = std::string(kPurpose) + std::string(line_.substr(0, at_));
    Signature signature{};
    if (key) {
      text(kSignature);
      hex(signature);
      text("\"");
    }
    text("}");
    if (state_ == Read::good && at_ != line_.size()) state_ = Read::wrong;
    if (state_ == Read::good && key && !is_signed_by(*key, message, signature)) state_ = Read::unsigned_;
    return state_;
  }

  bool goes_on_with(std::string_view expected) const { return line_.substr(at_).starts_with(expected); }

 private:
  void stop(Read state) { state_ = state; }
  std::string_view line_;
  std::size_t at_ = 0;
  Read state_ = Read::good;
};

}  // namespace

std::string line_of(const ChainStart& start, const SigningKey* key) {
  std::string line;
  JsonLine json(line);
  json.number("chain", 1).text("record", to_hex(start.id)).text("hash", "blake2b-256");
  if (key) json.text("key", to_hex(key->public_key()));
  return ended(std::move(line), key);
}

std::string line_of(const ChainBlock& block, const SigningKey* key) {
  std::string line;
  JsonLine(line)
      .number("block", static_cast<std::int64_t>(block.number))
      .number("from", static_cast<std::int64_t>(block.from))
      .number("to", static_cast<std::int64_t>(block.to))
      .text("hash", to_hex(block.hash))
      .text("previous", to_hex(block.previous))
      .seconds("at", block.at);
  return ended(std::move(line), key);
}

std::string line_of(const ChainEnd& end, const SigningKey* key) {
  std::string line;
  JsonLine(line)
      .number("end", static_cast<std::int64_t>(end.blocks))
      .number("size", static_cast<std::int64_t>(end.size))
      .text("previous", to_hex(end.previous))
      .seconds("at", end.at);
  return ended(std::move(line), key);
}

Read read_line(std::string_view line, ChainStart& out) {
  Scanner scan(line);
  scan.text(R"({"chain":1,"record":")");
  scan.hex(out.id);
  scan.text(R"(","hash":"blake2b-256")");
  out.key.reset();
  if (scan.goes_on_with(R"(,)")) {
    out.key.emplace();
    scan.text(R"(,"key":")");
    scan.hex(*out.key);
    scan.text("\"");
  }
  return scan.end(out.key);
}

Read read_line(std::string_view line, const std::optional<PublicKey>& key, ChainBlock& out) {
  Scanner scan(line);
  scan.text(R"({"block":)");
  scan.number(out.number);
  scan.text(R"(,"from":)");
  scan.number(out.from);
  scan.text(R"(,"to":)");
  scan.number(out.to);
  scan.text(R"(,"hash":")");
  scan.hex(out.hash);
  scan.text(R"(","previous":")");
  scan.hex(out.previous);
  scan.text(R"(","at":)");
  scan.seconds(out.at);
  return scan.end(key);
}

Read read_line(std::string_view line, const std::optional<PublicKey>& key, ChainEnd& out) {
  Scanner scan(line);
  scan.text(R"({"end":)");
  scan.number(out.blocks);
  scan.text(R"(,"size":)");
  scan.number(out.size);
  scan.text(R"(,"previous":")");
  scan.hex(out.previous);
  scan.text(R"(","at":)");
  scan.seconds(out.at);
  return scan.end(key);
}

}  // namespace envgate::record
