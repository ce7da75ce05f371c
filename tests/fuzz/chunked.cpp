// Chunked bodies: the same data, trailers and verdict however the bytes arrive; and what was decoded, chunked
// again, decodes to itself.

#include <string>

#include "base/check.hpp"
#include "gateway/http/chunked.hpp"
#include "tests/fuzz/pieces.hpp"

using namespace envgate::http;

namespace {

struct Result {
  ChunkedDecoder decoder;
  std::string body;
  std::size_t consumed = 0;
  ChunkedDecoder::Step::State state = ChunkedDecoder::Step::need_more;
};

void feed(Result& out, std::string_view input) {
  for (;;) {
    const auto step = out.decoder.next(input);
    CHECK(step.consumed <= input.size());
    CHECK((step.state == ChunkedDecoder::Step::have_data) == !step.data.empty());
    CHECK(step.data.empty() || step.data.data() + step.data.size() <= input.data() + step.consumed);
    out.body += step.data;
    out.consumed += step.consumed;
    input.remove_prefix(step.consumed);
    out.state = step.state;
    if (step.state != ChunkedDecoder::Step::have_data) break;
  }
  CHECK(out.state != ChunkedDecoder::Step::need_more || input.empty());
}

std::string trailers_of(const ChunkedDecoder& decoder) {
  std::string out;
  append_last_chunk(out, decoder.trailers());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  Result whole, pieces, again;
  feed(whole, input);
  std::size_t from = 0;
  for (const std::size_t cut : envgate::fuzz::cuts_of(input)) {
    if (pieces.state != ChunkedDecoder::Step::need_more) break;
    feed(pieces, input.substr(from, cut - from));
    from = cut;
  }
  CHECK(whole.state == pieces.state && whole.body == pieces.body && whole.consumed == pieces.consumed);
  CHECK(whole.decoder.reason() == pieces.decoder.reason());
  if (whole.state != ChunkedDecoder::Step::done) return 0;
  CHECK(trailers_of(whole.decoder) == trailers_of(pieces.decoder));
  std::string wire;
  if (!whole.body.empty())
    wire.append(chunk_header(whole.body.size()).view()).append(whole.body).append(kChunkEnd);
  wire += trailers_of(whole.decoder);
  feed(again, wire);
  CHECK(again.state == ChunkedDecoder::Step::done && again.body == whole.body &&
        again.consumed == wire.size());
  CHECK(trailers_of(again.decoder) == trailers_of(whole.decoder));
  return 0;
}
