#include "record/activity_log.hpp"

#include <algorithm>

#include "base/json_line.hpp"
#include "base/utf8.hpp"

namespace envgate::record {
namespace {

constexpr std::size_t kMostInPiece = 32 * 1024;

const char* name_of(Stream stream) { return stream == Stream::stdout_ ? "stdout" : "stderr"; }
std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::string base64_of(std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
  std::string out(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), kVariant);
  out.pop_back();  // its NUL
  return out;
}

// A line of its own: `more` adds what the event has.
template <typename More>
Result<void> add(ChainedFile& file, std::string_view event, Offset at, const More& more) {
  return guarded([&] {
    std::string line;
    JsonLine json(line);
    json.seconds("time", at).text("event", event);
    more(json);
    json.end();
    line += '\n';
    return file.append(line, at);
  });
}

}  // namespace

Result<ActivityLog> ActivityLog::create(const std::string& directory, const std::string& name,
                                        const SessionFacts& facts, const SigningKey* key,
                                        std::uint64_t most_output, const BlockPolicy& blocks) {
  return guarded([&]() -> Result<ActivityLog> {
    auto file = ChainedFile::create(directory, name + ".jsonl", key, blocks);
    if (!file) return tl::unexpected(file.error());
    ActivityLog out(std::move(*file));
    out.most_output_ = most_output;
    if (auto begun = out.file_.append("{\"envgate\":" + json_of(facts) + "}\n", Offset{}); !begun)
      return tl::unexpected(begun.error());
    return out;
  });
}

Result<void> ActivityLog::exec(std::string_view command, Offset at) {
  if (auto flushed = flush(at); !flushed) return flushed;
  kept_ = seen_[0] = seen_[1] = 0;
  truncated_ = false;
  return add(file_, "exec", at, [&](JsonLine& json) { json.text("command", command); });
}

Result<void> ActivityLog::piece(Stream stream, std::string_view bytes, Offset at) {
  if (bytes.empty()) return {};
  return add(file_, "output", at, [&](JsonLine& json) {
    json.text("stream", name_of(stream));
    if (is_utf8(bytes))
      json.text("data", bytes);
    else
      json.text("base64", base64_of(bytes));
  });
}

Result<void> ActivityLog::output(Stream stream, std::string_view bytes, Offset at) {
  return guarded([&]() -> Result<void> {
    const auto which = static_cast<std::size_t>(stream);
    seen_[which] += bytes.size();
    if (truncated_) return {};
    std::string_view kept = bytes.substr(0, most_output_ - kept_);
    const bool too_much = kept.size() < bytes.size();
    kept_ += kept.size();
    for (; !kept.empty(); kept.remove_prefix(std::min(kMostInPiece, kept.size())))
      if (auto written = piece(stream, carries_[which].take(kept.substr(0, kMostInPiece)), at); !written)
        return written;
    if (!too_much) return {};
    truncated_ = true;
    if (auto flushed = flush(at); !flushed) return flushed;
    return add(file_, "truncated", at, [&](JsonLine& json) {
      json.text("stream", name_of(stream)).number("limit", number(most_output_));
    });
  });
}

Result<void> ActivityLog::flush(Offset at) {
  for (const Stream stream : {Stream::stdout_, Stream::stderr_})
    if (auto written = piece(stream, carries_[static_cast<std::size_t>(stream)].rest(), at); !written)
      return written;
  return {};
}

Result<void> ActivityLog::exit(int status, Offset at) {
  if (auto flushed = flush(at); !flushed) return flushed;
  return add(file_, "exit", at, [&](JsonLine& json) {
    json.number("status", status).number("stdout_bytes", number(seen_[0]));
    json.number("stderr_bytes", number(seen_[1]));
  });
}

Result<void> ActivityLog::file(const FileOperation& operation, Offset at) {
  return add(file_, "file", at, [&](JsonLine& json) {
    json.text("op", operation.op).text("path", operation.path);
    if (!operation.to_path.empty()) json.text("to_path", operation.to_path);
    if (!operation.direction.empty()) json.text("direction", operation.direction);
    json.number("bytes", number(operation.bytes));
    if (!operation.sha256.empty()) json.text("sha256", operation.sha256);
    json.text("result", operation.result);
  });
}

Result<void> ActivityLog::forward(const Forward& forward, Offset at) {
  return add(file_, "forward", at, [&](JsonLine& json) {
    json.text("kind", forward.kind).text("destination", forward.destination);
    json.number("bytes_up", number(forward.bytes_up)).number("bytes_down", number(forward.bytes_down));
    json.seconds("duration", forward.duration);
  });
}

Result<void> ActivityLog::end(Offset at) {
  if (auto flushed = flush(at); !flushed) return flushed;
  return file_.end(at);
}

}  // namespace envgate::record
