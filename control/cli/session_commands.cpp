#include "control/cli/session_commands.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>

#include "control/cli/exit_code.hpp"
#include "control/cli/session_replay.hpp"
#include "control/cli/table.hpp"
#include "control/cli/terminal.hpp"
#include "record/plain_text.hpp"
#include "record/verify.hpp"

namespace envgate::cli {
namespace {

constexpr Option kKey{"--key", 'k', "FILE", "the public key, FILE.pub beside the gateway's key file"};
constexpr Option kSpeed{"--speed", 0, "N", "so many times as fast (default: 1)"};
constexpr Option kIdleLimit{"--idle-limit", 0, "SECONDS", "make no pause longer than this"};
constexpr Option kRaw{"--raw", 0, "", "pass all escape sequences to the terminal, harmful ones too"};
constexpr Option kText{"--text", 0, "", "plain text, without escape sequences"};
constexpr Option kVerifyOptions[] = {kKey};
constexpr Option kReplayOptions[] = {kSpeed, kIdleLimit, kRaw};
constexpr Option kExportOptions[] = {kText};

int run_verify(const Invocation& call) {
  std::optional<record::PublicKey> key;
  if (call.has("--key")) {
    const auto read = record::read_public_key(call.value("--key"));
    if (!read) return complain(read.error().message, read.error().code == ENOENT ? kNotFound : kFailed);
    key = *read;
  }
  int worst = kOk;
  for (const std::string& path : call.words) {
    const auto verdict = record::verify_file(path, key);
    if (!verdict) {
      const ExitCode code = verdict.error().code == ENOENT ? kNotFound : kFailed;
      worst = std::max<int>(worst, complain(printable(verdict.error().message), code));
      continue;
    }
    print(stdout, printable(path + ": " + verdict->words()) + "\n");
    if (!verdict->good()) worst = std::max<int>(worst, kFailed);
  }
  return worst;
}

// Above 0. Errors: misuse.
Result<double> number_of(const Invocation& call, std::string_view option) {
  const std::string text = call.value(option);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool all = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (all && std::isfinite(value) && value > 0) return value;
  return fail(std::string(option) + " '" + text + "' is not a number above 0; see envctl " +
              std::string(call.command->path) + " --help");
}

// Opens the record and calls `use` with its reader.
template <typename Use>
int with_cast(const std::string& path, const Use& use) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int code = errno;
    return complain(printable(fail_errno("open " + path, code).value().message),
                    code == ENOENT ? kNotFound : kFailed);
  }
  auto cast = record::CastReader::of(in);
  const Result<void> done = cast ? use(*cast) : tl::unexpected(cast.error());
  return done ? int{kOk} : complain(printable(path + ": " + done.error().message), kFailed);
}

int run_replay(const Invocation& call) {
  ReplayOptions options;
  options.raw = call.has("--raw");
  for (const auto& option : {kSpeed.name, kIdleLimit.name}) {
    if (!call.has(option)) continue;
    const auto number = number_of(call, option);
    if (!number) return complain(number.error().message, kMisuse);
    if (option == kSpeed.name)
      options.speed = *number;
    else
      options.idle_limit = *number;
  }
  return with_cast(call.words[0], [&](record::CastReader& cast) -> Result<void> {
    const auto [columns, rows] = cast.header();
    if (is_terminal(stdout) && columns > columns_of(stdout))
      complain("the record is " + std::to_string(columns) + "x" + std::to_string(rows) +
                   "; this terminal has fewer columns, and lines will break",
               kOk);
    return replay(cast, options);
  });
}

int run_export(const Invocation& call) {
  if (!call.has("--text"))
    return complain("session export needs --text: the record itself is the file's other form", kMisuse);
  return with_cast(call.words[0], [](record::CastReader& cast) -> Result<void> {
    record::PlainText text;
    while (true) {
      const auto event = cast.next();
      if (!event || !*event) {
        print(stdout, text.rest());
        return event ? Result<void>() : tl::unexpected(event.error());
      }
      if ((*event)->code == 'o') print(stdout, text.take((*event)->data));
    }
  });
}

constexpr Command kCommands[] = {
    {"session verify", "FILE...", 1, 100'000, kVerifyOptions, "Say whether records are as they were written",
     "\nSays for each FILE, from FILE.chain beside it: whole; cut off, as a crash leaves it, and how many "
     "bytes\n"
     "are not covered; changed, and at which block; and by which key it is signed. Without --key a record "
     "that\n"
     "somebody wrote anew and signed with a key of his own is whole, too. Exit status 0: all are whole and\n"
     "signed, by that key if one is given; 1: one is not; 3: one is not there.\n",
     run_verify},
    {"session replay", "FILE", 1, 1, kReplayOptions, "Play the record of a session on this terminal",
     "\nEscape sequences that do more than show text are left out: titles, clipboard, links, questions that "
     "the\n"
     "terminal would answer, changes to keys and mouse. Other players of asciicast v2 pass all of them.\n",
     run_replay},
    {"session export", "FILE", 1, 1, kExportOptions, "Print what a session showed, as text",
     "\nWhat was typed over in a line is resolved; of programs that draw the whole screen, the pieces "
     "remain.\n",
     run_export},
};

}  // namespace

std::span<const Command> session_commands() { return kCommands; }

}  // namespace envgate::cli
