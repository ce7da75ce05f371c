// A session that prints and types any bytes, cut anywhere, with any title: what is recorded are lines of
// JSON, the record is whole, and it reads back as the bytes were, with U+FFFD for what is no UTF-8.
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/check.hpp"
#include "base/json_line.hpp"
#include "pieces.hpp"
#include "record/activity_log.hpp"
#include "record/cast_reader.hpp"
#include "record/cast_writer.hpp"
#include "record/command_guess.hpp"
#include "record/verify.hpp"

using namespace envgate::record;

namespace {

const std::string& folder() {
  static const struct Folder {
    Folder() {
      path = (std::filesystem::temp_directory_path() / "envgate-fuzz-XXXXXX").string();
      CHECK(mkdtemp(path.data()) != nullptr);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
  } made;
  return made.path;
}

std::string take_file(const std::string& path) {
  CHECK(verify_file(path, std::nullopt)->state == State::whole);
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".chain");
  return out.str();
}

void check_json_lines(const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) CHECK(nlohmann::json::accept(line));
  CHECK(text.ends_with('\n'));
}

void record_cast(std::string_view input) {
  SessionFacts facts;
  facts.user = facts.owner = input.substr(0, 64);
  CastOptions options;
  options.title = options.term = input.substr(0, 64);
  options.input = true;
  options.blocks = {100, std::chrono::milliseconds(3), Sync::end};
  auto cast = CastWriter::create(folder(), "a", facts, nullptr, options);
  CHECK(cast);
  std::size_t at = 0;
  for (const std::size_t end : envgate::fuzz::cuts_of(input)) {
    const std::string_view piece = input.substr(at, end - at);
    CHECK(cast->output(piece, std::chrono::milliseconds(at)));
    CHECK(cast->input(piece, std::chrono::milliseconds(at)));
    at = end;
  }
  CHECK(cast->marker(input, Offset(0)) && cast->end(Offset(0)));
  const std::string text = take_file(folder() + "/a.cast");
  check_json_lines(text);
  std::istringstream in(text);
  auto reader = CastReader::of(in);
  CHECK(reader);
  std::string shown, expected;
  auto event = reader->next();
  for (; event && *event; event = reader->next())
    if ((*event)->code == 'o') shown += (*event)->data;
  CHECK(event);
  envgate::append_json_string(expected, input);
  CHECK(shown == nlohmann::json::parse(expected).get<std::string>());
}

// Nothing of a guess could move a cursor, whatever was printed.
void guess_commands(std::string_view input) {
  envgate::record::CommandGuess guess;
  std::size_t at = 0;
  for (const std::size_t end : envgate::fuzz::cuts_of(input)) {
    for (const auto& one : guess.take(1, input.substr(at, end - at))) {
      CHECK(!one.command.empty() && one.command.size() <= 8 * 1024);
      for (const char c : one.prompt + one.command) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
    at = end;
  }
}

void record_activity(std::string_view input) {
  auto log = ActivityLog::create(folder(), "a", {}, nullptr, input.size() / 2, {100, {}, Sync::end});
  CHECK(log && log->exec(1, input, input, Offset(0)));
  std::size_t at = 0;
  for (const std::size_t end : envgate::fuzz::cuts_of(input)) {
    const Stream stream = end % 2 == 0 ? Stream::stdout_ : Stream::stderr_;
    CHECK(log->output(1, stream, input.substr(at, end - at), Offset(end)));
    at = end;
  }
  const std::string text(input);
  CHECK(log->exit(1, 0, input, Offset(0)));
  CHECK(log->file({1, text, text, text, text, 1, text, text}, Offset(0)));
  CHECK(log->forward({1, text, text, 1, 2, {}}, Offset(0)) && log->end(Offset(0)));
  check_json_lines(take_file(folder() + "/a.jsonl"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  record_cast(input);
  record_activity(input);
  guess_commands(input);
  return 0;
}
