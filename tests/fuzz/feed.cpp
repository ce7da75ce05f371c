// The control plane's feed: the same messages, and an error or none, however the bytes arrive.
#include "base/check.hpp"
#include "routing/control/feed_reader.hpp"
#include "tests/fuzz/pieces.hpp"

using namespace envgate::routing;
using namespace envgate::routing::control;

namespace {

struct Outcome {
  std::string messages, error;
};

void read(FeedReader& reader, std::string_view bytes, Outcome& out) {
  reader.add(bytes);
  while (out.error.empty()) {
    const auto message = reader.next();
    if (!message) {
      out.error = message.error().message;
      CHECK(!out.error.empty());
      return;
    }
    if (!*message) return;
    const FeedMessage& m = **message;
    CHECK(m.generation || m.type == FeedMessage::Type::route);
    CHECK(m.env.empty() == (m.type != FeedMessage::Type::route && m.type != FeedMessage::Type::gone));
    CHECK(m.install.empty() == (m.type != FeedMessage::Type::begin));
    out.messages += std::to_string(static_cast<int>(m.type)) + ' ' + m.install + m.env.str() + ' ' +
                    std::to_string(m.generation.value_or(0)) + ' ' +
                    (m.route ? to_json(*Route::make(*m.route)) : m.route.error().message) + '\n';
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  FeedReader at_once, piece_by_piece;
  Outcome whole, pieces;
  read(at_once, input, whole);
  std::size_t from = 0;
  for (const std::size_t cut : envgate::fuzz::cuts_of(input)) {
    if (!pieces.error.empty()) break;
    read(piece_by_piece, input.substr(from, cut - from), pieces);
    from = cut;
  }
  CHECK(whole.messages == pieces.messages);
  CHECK(whole.error.empty() == pieces.error.empty());
  if (whole.error.empty()) CHECK(at_once.closed().message == piece_by_piece.closed().message);
  return 0;
}
