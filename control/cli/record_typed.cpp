#include "control/cli/record_typed.hpp"

#include <fstream>

#include "record/cast_reader.hpp"
#include "record/command_guess.hpp"

namespace envgate::cli {
namespace {

constexpr std::size_t kMostCommands = 100'000;
constexpr std::size_t kLongestLine = 1 << 20;

// Of a .jsonl, line by line.
class ExecLines {
 public:
  ExecLines(std::string file, Json& out) : file_(std::move(file)), out_(out) {}

  bool take(std::string_view piece) {
    for (; !piece.empty() && out_.size() < kMostCommands;) {
      const std::string_view part = piece.substr(0, piece.find('\n'));
      if (line_.size() + part.size() <= kLongestLine) line_ += part;
      piece.remove_prefix(part.size());
      if (piece.empty()) break;
      piece.remove_prefix(1);
      end_line();
    }
    return out_.size() < kMostCommands;
  }

 private:
  void end_line() {
    const Json json = Json::parse(std::exchange(line_, {}), nullptr, false);
    if (!json.is_object() || json.value("event", "") != "exec") return;
    out_.push_back({{"file", file_},
                    {"seconds", json.value("time", 0.0)},
                    {"prompt", ""},
                    {"command", json.value("command", "")}});
  }

  const std::string file_;
  Json& out_;
  std::string line_;
};

Asked<void> guess(const RecordsClient& client, const std::string& id, const std::string& name, Json& out) {
  const auto file = FetchedFile::fetch(client, id, name);
  if (!file) return tl::unexpected(file.error());
  std::ifstream in(file->path(), std::ios::binary);
  auto cast = record::CastReader::of(in);
  if (!cast) return refuse(name + ": " + cast.error().message);
  record::CommandGuess guess;
  for (std::uint64_t seen = 0; seen < kMostRead && out.size() < kMostCommands;) {
    const auto event = cast->next();
    if (!event) return refuse(name + ": " + event.error().message);
    if (!*event) break;
    seen += (*event)->data.size();
    if ((*event)->code != 'o') continue;
    for (record::GuessedCommand& one : guess.take((*event)->seconds, (*event)->data))
      out.push_back({{"file", name},
                     {"seconds", one.seconds},
                     {"prompt", std::move(one.prompt)},
                     {"command", std::move(one.command)}});
  }
  return {};
}

}  // namespace

Asked<Json> typed_commands(const RecordsClient& client, const std::string& id, const Json& record) {
  Json out = Json::array();
  for (const std::string& name : files_of(record, ".jsonl")) {
    ExecLines lines(name, out);
    const auto read =
        client.read(id, name, kMostRead, [&](std::string_view piece) { return lines.take(piece); });
    if (!read) return tl::unexpected(read.error());
  }
  for (const std::string& name : files_of(record, ".cast"))
    if (auto guessed = guess(client, id, name, out); !guessed) return tl::unexpected(guessed.error());
  return out;
}

}  // namespace envgate::cli
