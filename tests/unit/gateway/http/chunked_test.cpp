#include "gateway/http/chunked.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace envgate::http {
namespace {

using namespace std::string_view_literals;

struct Decoded {
  std::string body, reason, left, trailers;
  ChunkedDecoder::Step::State state = ChunkedDecoder::Step::need_more;
  bool operator==(const Decoded&) const = default;
};

// Feeds `input` in pieces of the sizes that `next_size` gives.
Decoded decode(std::string_view input, const std::function<std::size_t()>& next_size,
               const ChunkLimits& limits = ChunkLimits()) {
  ChunkedDecoder decoder(limits);
  Decoded out;
  while (!input.empty() && out.state == ChunkedDecoder::Step::need_more) {
    const std::string piece(input.substr(0, next_size()));
    std::string_view rest = piece;
    for (;;) {
      const auto step = decoder.next(rest);
      EXPECT_LE(step.consumed, rest.size());
      out.body += step.data;
      rest.remove_prefix(step.consumed);
      out.state = step.state;
      if (step.state != ChunkedDecoder::Step::have_data) break;
      EXPECT_FALSE(step.data.empty());
    }
    EXPECT_TRUE(rest.empty() || out.state != ChunkedDecoder::Step::need_more)
        << "all is taken while more is needed";
    input.remove_prefix(piece.size() - rest.size());
  }
  out.reason = decoder.reason();
  if (out.state == ChunkedDecoder::Step::done) {
    out.left = input;
    for (const Field& field : decoder.trailers())
      out.trailers.append(field.name).append("=").append(field.value).append(";");
  }
  return out;
}

Decoded decode_whole(std::string_view input, const ChunkLimits& limits = ChunkLimits()) {
  return decode(input, [&] { return input.size(); }, limits);
}

struct Row {
  std::string_view input, body, reason;
  std::string_view left = "", trailers = "";
};

constexpr Row kRows[] = {
    {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"5\r\nhello\r\n0\r\n\r\nGET", "hello", "", "GET"},
    {"0\r\n\r\n", "", ""},
    {"000\r\n\r\n", "", ""},
    {"00000005\r\nhello\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "hello01234567890123456789", ""},
    {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""},
    {"5;a=b;c=\"x;y\"\r\nhello\r\n0;last\r\n\r\n", "hello", ""},
    {"5;\ta\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"1\r\na\r\n0\r\nServer-Timing: x\r\nETag:  y \r\n\r\nrest", "a", "", "rest", "Server-Timing=x;ETag=y;"},
    {"0\r\nContent-Length: 5\r\nHost: b\r\nTransfer-Encoding: x\r\nAuthorization: z\r\nX-Forwarded-For: 1\r\n"
     "Set-Cookie: a=b\r\nX_A: 1\r\nX-Kept: 1\r\n\r\n", "", "", "", "X-Kept=1;"},
    // Refused.
    {"\r\n", "", "bad_chunk_size"},
    {"g\r\n", "", "bad_chunk_size"},
    {"0x5\r\nhello", "", "bad_chunk_size"},
    {"+5\r\nhello", "", "bad_chunk_size"},
    {"-1\r\n", "", "bad_chunk_size"},
    {" 5\r\nhello", "", "bad_chunk_size"},
    {"5 \r\nhello", "", "bad_chunk_size"},
    {"5 ;a\r\nhello", "", "bad_chunk_size"},
    {"5\t\r\nhello", "", "bad_chunk_size"},
    {";a\r\n", "", "bad_chunk_size"},
    {"00000000000000005\r\nhello", "", "chunk_size_too_long"},
    {"ffffffffffffffff\r\n", "", "chunk_too_large"},
    {"5\nhello\r\n0\r\n\r\n", "", "bare_lf"},
    {"5\rhello", "", "bare_cr"},
    {"5;a\nhello\r\n0\r\n\r\n", "", "bare_lf"},
    {"5;a\rX\nhello", "", "bare_cr"},
    {"5;a\0\r\nhello"sv, "", "bad_chunk_extension"},
    {"5\r\nhelloX\r\n0\r\n\r\n", "hello", "chunk_longer_than_its_size"},
    {"5\r\nhello\n0\r\n\r\n", "hello", "chunk_longer_than_its_size"},
    {"5\r\nhello\rX0\r\n\r\n", "hello", "bare_cr"},
    {"5\r\nhell\r\n0\r\n\r\n", "hell\r", "chunk_longer_than_its_size"},
    {"0\r\n\n", "", "bare_lf"},
    {"0\r\n\rX", "", "bare_cr"},
    {"0\r\nA: b\n\r\n", "", "bare_lf"},
    {"0\r\nA: b\rX\r\n", "", "bare_cr"},
    {"0\r\nA: \0\r\n\r\n"sv, "", "control_byte"},
    {"0\r\n A: b\r\n\r\n", "", "obs_fold"},
    {"0\r\nA: b\r\n c\r\n\r\n", "", "obs_fold"},
    {"0\r\nA : b\r\n\r\n", "", "space_before_colon"},
    {"0\r\nGET / HTTP/1.1\r\n\r\n", "", "space_before_colon"},
};

TEST(Chunked, DecodesAndRefusesAsTheTableSays) {
  std::mt19937 random(4);
  for (const Row& row : kRows) {
    Decoded wanted{std::string(row.body), std::string(row.reason), std::string(row.left),
                   std::string(row.trailers),
                   row.reason.empty() ? ChunkedDecoder::Step::done : ChunkedDecoder::Step::error};
    EXPECT_EQ(decode_whole(row.input), wanted) << row.input << decode_whole(row.input).reason;
    EXPECT_EQ(decode(row.input, [] { return 1; }), wanted) << row.input;
    for (int i = 0; i < 20; ++i)
      EXPECT_EQ(decode(row.input, [&] { return 1 + random() % 7; }), wanted) << row.input;
  }
}

TEST(Chunked, IsNotDoneBeforeTheLastByte) {
  for (const Row& row : kRows) {
    if (!row.reason.empty()) continue;
    const std::string_view whole = row.input.substr(0, row.input.size() - row.left.size());
    for (std::size_t size = 1; size < whole.size(); ++size)
      EXPECT_EQ(decode_whole(whole.substr(0, size)).state, ChunkedDecoder::Step::need_more)
          << row.input << size;
  }
}

TEST(Chunked, BoundsTheMessageToo) {
  EXPECT_EQ(decode_whole("5;" + std::string(257, 'a') + "\r\nhello").reason, "chunk_extensions_too_long");
  EXPECT_EQ(decode_whole("0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n").reason, "trailers_too_long");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "1;" + std::string(200, 'x') + "\r\na\r\n";
  EXPECT_EQ(decode_whole(many).reason, "chunk_extensions_too_long");
  std::string trailers = "0\r\n";
  for (int i = 0; i < 33; ++i) trailers += "A: b\r\n";
  EXPECT_EQ(decode_whole(trailers + "\r\n").reason, "too_many_trailers");
  ChunkLimits small;
  small.chunk_size = 15;
  EXPECT_EQ(decode_whole("f\r\n0123456789abcde\r\n0\r\n\r\n", small).reason, "");
  EXPECT_EQ(decode_whole("10\r\n", small).reason, "chunk_too_large");
}

TEST(Chunked, StaysInErrorAndStartsAgainWhenTold) {
  ChunkedDecoder decoder;
  EXPECT_EQ(decoder.next("zz").state, ChunkedDecoder::Step::error);
  EXPECT_EQ(decoder.next("0\r\n\r\n").state, ChunkedDecoder::Step::error);
  decoder.reset();
  EXPECT_EQ(decoder.next("0\r\nA: b\r\n\r\n").state, ChunkedDecoder::Step::done);
  EXPECT_EQ(decoder.trailers().size(), 1u);
  EXPECT_EQ(decoder.next("more").consumed, 0u);
  decoder.reset();
  EXPECT_EQ(decoder.next("0\r\n\r\n").state, ChunkedDecoder::Step::done);
  EXPECT_TRUE(decoder.trailers().empty());
}

TEST(Chunked, DecodesWhatItEncodes) {
  std::mt19937 random(5);
  std::string wire, body;
  for (int i = 0; i < 200; ++i) {
    const std::string piece(1 + random() % 5000, static_cast<char>(random()));
    wire.append(chunk_header(piece.size()).view()).append(piece).append(kChunkEnd);
    body += piece;
  }
  ChunkedDecoder decoder;
  decoder.next("0\r\nA: 1\r\nB: 2\r\n\r\n");
  append_last_chunk(wire, decoder.trailers());
  const Decoded decoded = decode(wire, [&] { return 1 + random() % 9000; });
  EXPECT_EQ(decoded.body, body);
  EXPECT_EQ(decoded.trailers, "A=1;B=2;");
  EXPECT_EQ(decoded.state, ChunkedDecoder::Step::done);
  EXPECT_EQ(chunk_header(~std::uint64_t{0}).view(), "ffffffffffffffff\r\n");
  EXPECT_EQ(chunk_header(10).view(), "a\r\n");
}

}  // namespace
}  // namespace envgate::http
