#include "record/cast_writer.hpp"

#include <algorithm>

#include "base/json_line.hpp"

namespace envgate::record {
namespace {

constexpr std::size_t kMostInEvent = 32 * 1024;

std::string header_of(const SessionFacts& facts, const CastOptions& options) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(facts.started_at.time_since_epoch()).count();
  std::string out;
  JsonLine json(out);
  json.number("version", 2).number("width", options.columns).number("height", options.rows);
  json.number("timestamp", seconds);
  if (!options.title.empty()) json.text("title", options.title);
  if (!options.term.empty()) {
    out += R"(,"env":{"TERM":)";
    append_json_string(out, options.term);
    out += '}';
  }
  return out.append(R"(,"envgate":)").append(json_of(facts)).append("}\n");
}

void append_seconds(std::string& out, Offset at) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(at).count();
  const std::string rest = std::to_string(micros % 1'000'000);
  out.append(std::to_string(micros / 1'000'000)).append(".").append(6 - rest.size(), '0').append(rest);
}

}  // namespace

Result<CastWriter> CastWriter::create(const std::string& directory, const std::string& name,
                                      const SessionFacts& facts, const SigningKey* key,
                                      const CastOptions& options) {
  return guarded([&]() -> Result<CastWriter> {
    auto file = ChainedFile::create(directory, name + ".cast", key, options.blocks);
    if (!file) return tl::unexpected(file.error());
    CastWriter out(std::move(*file));
    out.options_ = options;
    if (auto begun = out.file_.append(header_of(facts, options), Offset{}); !begun)
      return tl::unexpected(begun.error());
    return out;
  });
}

Result<void> CastWriter::event(char code, std::string_view data, Offset at) {
  now_ = std::max(now_, at);
  line_ = "[";
  append_seconds(line_, now_);
  line_.append(", \"").append(1, code).append("\", ");
  append_json_string(line_, data);
  line_ += "]\n";
  return file_.append(line_, now_);
}

Result<void> CastWriter::stream(char code, Utf8Carry& carry, std::string_view bytes, Offset at) {
  while (!bytes.empty()) {
    const std::string_view whole = carry.take(bytes.substr(0, kMostInEvent));
    bytes.remove_prefix(std::min(kMostInEvent, bytes.size()));
    if (whole.empty()) continue;
    if (auto written = event(code, whole, at); !written) return written;
  }
  return {};
}

Result<void> CastWriter::output(std::string_view bytes, Offset at) {
  return guarded([&]() -> Result<void> {
    if (truncated_) return {};
    const std::uint64_t left = options_.most_output - output_bytes_;
    const bool too_much = options_.most_output > 0 && bytes.size() > left;
    const std::string_view kept = too_much ? bytes.substr(0, left) : bytes;
    output_bytes_ += kept.size();
    auto written = stream('o', output_, kept, at);
    if (!written || !too_much) return written;
    truncated_ = true;
    if (const std::string_view rest = output_.rest(); !rest.empty())
      if (auto flushed = event('o', rest, at); !flushed) return flushed;
    return marker("truncated", at);
  });
}

Result<void> CastWriter::input(std::string_view bytes, Offset at) {
  if (!options_.input) return {};
  return guarded([&] { return stream('i', input_, bytes, at); });
}

Result<void> CastWriter::resize(unsigned columns, unsigned rows, Offset at) {
  return guarded([&] { return event('r', std::to_string(columns) + "x" + std::to_string(rows), at); });
}

Result<void> CastWriter::marker(std::string_view label, Offset at) {
  return guarded([&] { return event('m', label, at); });
}

Result<void> CastWriter::flush(Offset at) {
  for (const auto& [code, carry] : {std::pair('o', &output_), std::pair('i', &input_)})
    if (const std::string_view rest = carry->rest(); !rest.empty())
      if (auto written = event(code, rest, at); !written) return written;
  return {};
}

Result<void> CastWriter::killed(std::string_view signal, Offset at) {
  return guarded([&]() -> Result<void> {
    if (auto flushed = flush(at); !flushed) return flushed;
    if (auto marked = event('m', "killed by " + std::string(signal), at); !marked) return marked;
    return event('x', "255", at);
  });
}

Result<void> CastWriter::exit(std::uint32_t status, Offset at) {
  return guarded([&]() -> Result<void> {
    if (auto flushed = flush(at); !flushed) return flushed;
    return event('x', std::to_string(status), at);
  });
}

Result<void> CastWriter::end(Offset at) {
  return guarded([&]() -> Result<void> {
    if (auto flushed = flush(at); !flushed) return flushed;
    return file_.end(std::max(now_, at));
  });
}

}  // namespace envgate::record
