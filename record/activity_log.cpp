#include "record/activity_log.hpp"

#include <algorithm>

#include "base/json_line.hpp"
#include "base/utf8.hpp"

namespace envgate::record {
namespace {

constexpr std::size_t kMostInPiece = 32 * 1024;

const char* name_of(Stream stream) {
  switch (stream) {
    case Stream::stdout_: return "stdout";
    case Stream::stderr_: return "stderr";
    case Stream::stdin_: break;
  }
  return "stdin";
}
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

Result<void> ActivityLog::exec(Channel channel, std::string_view kind, std::string_view command, Offset at) {
  return guarded([&]() -> Result<void> {
    if (commands_.size() >= kMostCommands)
      return fail("more than " + std::to_string(kMostCommands) + " commands at once in one session");
    if (!commands_.try_emplace(channel).second)
      return fail("channel " + std::to_string(channel) + " runs a command already");
    return add(file_, "exec", at, [&](JsonLine& json) {
      json.number("channel", channel).text("kind", kind).text("command", command);
    });
  });
}

Result<void> ActivityLog::piece(Channel channel, Stream stream, std::string_view bytes, Offset at) {
  if (bytes.empty()) return {};
  return add(file_, "output", at, [&](JsonLine& json) {
    json.number("channel", channel).text("stream", name_of(stream));
    if (is_utf8(bytes))
      json.text("data", bytes);
    else
      json.text("base64", base64_of(bytes));
  });
}

Result<void> ActivityLog::output(Channel channel, Stream stream, std::string_view bytes, Offset at) {
  const auto found = commands_.find(channel);
  if (found == commands_.end()) return {};
  Command& command = found->second;
  return guarded([&]() -> Result<void> {
    const auto which = static_cast<std::size_t>(stream);
    command.seen[which] += bytes.size();
    if (command.truncated || most_output_ == 0) return {};
    std::string_view kept = bytes.substr(0, most_output_ - command.kept);
    const bool too_much = kept.size() < bytes.size();
    command.kept += kept.size();
    for (; !kept.empty(); kept.remove_prefix(std::min(kMostInPiece, kept.size())))
      if (auto written =
              piece(channel, stream, command.carries[which].take(kept.substr(0, kMostInPiece)), at);
          !written)
        return written;
    if (!too_much) return {};
    command.truncated = true;
    if (auto flushed = flush(channel, command, at); !flushed) return flushed;
    return add(file_, "truncated", at, [&](JsonLine& json) {
      json.number("channel", channel).text("stream", name_of(stream)).number("limit", number(most_output_));
    });
  });
}

Result<void> ActivityLog::flush(Channel channel, Command& command, Offset at) {
  for (const Stream stream : {Stream::stdout_, Stream::stderr_, Stream::stdin_})
    if (auto written = piece(channel, stream, command.carries[static_cast<std::size_t>(stream)].rest(), at);
        !written)
      return written;
  return {};
}

Result<void> ActivityLog::exit(Channel channel, std::uint32_t status, std::string_view signal, Offset at) {
  const auto found = commands_.find(channel);
  if (found == commands_.end()) return {};
  Command& command = found->second;
  if (auto flushed = flush(channel, command, at); !flushed) return flushed;
  return add(file_, "exit", at, [&](JsonLine& json) {
    json.number("channel", channel);
    if (signal.empty())
      json.number("status", status);
    else
      json.text("signal", signal);
    json.number("stdout_bytes", number(command.seen[0])).number("stderr_bytes", number(command.seen[1]));
  });
}

Result<void> ActivityLog::closed(Channel channel, std::uint64_t bytes_up, std::uint64_t bytes_down,
                                 Offset at) {
  const auto found = commands_.find(channel);
  if (found == commands_.end()) return {};
  auto flushed = flush(channel, found->second, at);
  commands_.erase(found);
  if (!flushed) return flushed;
  return add(file_, "closed", at, [&](JsonLine& json) {
    json.number("channel", channel).number("bytes_up", number(bytes_up));
    json.number("bytes_down", number(bytes_down));
  });
}

Result<void> ActivityLog::file(const FileOperation& operation, Offset at) {
  return add(file_, "file", at, [&](JsonLine& json) {
    json.number("channel", operation.channel).text("op", operation.op).text("path", operation.path);
    if (!operation.to_path.empty()) json.text("to_path", operation.to_path);
    if (!operation.direction.empty()) json.text("direction", operation.direction);
    json.number("bytes", number(operation.bytes));
    if (!operation.sha256.empty()) json.text("sha256", operation.sha256);
    json.text("result", operation.result);
  });
}

Result<void> ActivityLog::forward(const Forward& forward, Offset at) {
  return add(file_, "forward", at, [&](JsonLine& json) {
    json.number("channel", forward.channel)
        .text("kind", forward.kind)
        .text("destination", forward.destination);
    json.number("bytes_up", number(forward.bytes_up)).number("bytes_down", number(forward.bytes_down));
    json.seconds("duration", forward.duration);
  });
}

Result<void> ActivityLog::refused(std::string_view what, std::string_view detail, Offset at) {
  return add(file_, "refused", at, [&](JsonLine& json) { json.text("what", what).text("detail", detail); });
}

Result<void> ActivityLog::end(Offset at) {
  for (auto& [channel, command] : commands_)
    if (auto flushed = flush(channel, command, at); !flushed) return flushed;
  return file_.end(at);
}

}  // namespace envgate::record
