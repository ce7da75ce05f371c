// A chain and a record that somebody else wrote: the verifier, the reader, the terminal's filter and the
// plain text take any bytes; and nothing is whole and signed by the key but what the key has signed. The
// input is the chain's text, a NUL, and the record.
#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>

#include "base/check.hpp"
#include "base/utf8.hpp"
#include "record/cast_reader.hpp"
#include "record/plain_text.hpp"
#include "record/terminal_filter.hpp"
#include "record/verify.hpp"

using namespace envgate::record;

namespace {

void check_text(std::string_view bytes) {
  TerminalFilter filter;
  std::string shown = filter.take(bytes);
  CHECK(envgate::is_utf8(shown) && shown.size() <= bytes.size());
  CHECK(shown.find("\x1b]") == shown.npos && shown.find("\x1bP") == shown.npos &&
        shown.find('\x05') == shown.npos);
  CHECK(TerminalFilter().take(shown) == shown);  // nothing is made of what was left out
  PlainText text;
  shown = text.take(bytes);
  shown += text.rest();
  for (const char c : shown) CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const std::string_view chain = input.substr(0, end);
  const std::string_view record = end == input.npos ? std::string_view() : input.substr(end + 1);
  const auto read = [&](std::uint64_t at, char* to, std::size_t most) -> envgate::Result<std::size_t> {
    CHECK(at <= record.size());
    const std::string_view some = record.substr(at, most);
    if (!some.empty()) std::memcpy(to, some.data(), some.size());
    return some.size();
  };
  const Verdict verdict = verify(read, record.size(), chain, std::nullopt).value();
  CHECK(verdict.covered <= record.size() && !verdict.words().empty());
  if (verdict.state != State::changed) CHECK(verdict.covered + verdict.uncovered == record.size());
  // Nobody has the key of this public part.
  CHECK(!verify(read, record.size(), chain, PublicKey{1}).value().good());

  check_text(record);
  std::istringstream in{std::string(record)};
  auto cast = CastReader::of(in);
  if (!cast) return 0;
  for (auto event = cast->next(); event && *event; event = cast->next()) {
    CHECK((*event)->seconds >= 0 && envgate::is_utf8((*event)->data));
    check_text((*event)->data);
  }
  return 0;
}
