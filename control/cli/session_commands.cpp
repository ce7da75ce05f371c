#include "control/cli/session_commands.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>

#include "control/cli/exit_code.hpp"
#include "control/cli/record_files.hpp"
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
constexpr Option kTerminal{"--terminal", 0, "N", "the terminal of this channel (default: the first)"};
constexpr Option kVerifyOptions[] = {kKey, kAdminSocket};
constexpr Option kReplayOptions[] = {kSpeed, kIdleLimit, kRaw, kTerminal, kAdminSocket};
constexpr Option kTo{"--to", 0, "PATH", "write the files of the record, and their chains, into this folder"};
constexpr Option kExportOptions[] = {kText, kTo, kTerminal, kAdminSocket};

// A file that is there is meant before a record of that name.
bool is_on_gateway(const std::string& word) {
  return is_record_id(word) && !std::ifstream(word, std::ios::binary);
}

int verify_record(const RecordsClient& client, const std::string& id,
                  const std::optional<record::PublicKey>& key) {
  const auto record = client.get("/api/sessions/" + encode_segment(id) + "?verify=no");
  if (!record) return complain(record.error().message, record.error().code);
  int worst = kOk;
  for (const Json& file : record->at("files")) {
    const auto name = file.at("name").get<std::string>();
    const auto verdict = verify_remote(client, id, name, key);
    if (!verdict) {
      worst = std::max<int>(worst, complain(verdict.error().message, verdict.error().code));
      continue;
    }
    print(stdout, printable(name + ": " + verdict->words()) + "\n");
    if (!verdict->good()) worst = std::max<int>(worst, kFailed);
  }
  if (record->at("files").empty()) print(stdout, printable(id) + ": has no files\n");
  return worst;
}

int run_verify(const Invocation& call) {
  std::optional<record::PublicKey> key;
  if (call.has("--key")) {
    const auto read = record::read_public_key(call.value("--key"));
    if (!read) return complain(read.error().message, read.error().code == ENOENT ? kNotFound : kFailed);
    key = *read;
  }
  int worst = kOk;
  const RecordsClient client(call);
  for (const std::string& path : call.words) {
    if (is_on_gateway(path)) {
      worst = std::max(worst, verify_record(client, path, key));
      continue;
    }
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

// The name of a terminal's file among those of a record.
Asked<std::string> terminal_of(const Invocation& call, const RecordsClient& client, const std::string& id) {
  const auto channel = whole_number(call, "--terminal", 0);
  if (!channel) return tl::unexpected(channel.error());
  const auto record = client.get("/api/sessions/" + encode_segment(id) + "?verify=no");
  if (!record) return tl::unexpected(record.error());
  const std::vector<std::string> casts = files_of(*record, ".cast");
  if (*channel > 0) {
    const std::string wanted = id + "-" + std::to_string(*channel) + ".cast";
    if (std::find(casts.begin(), casts.end(), wanted) != casts.end()) return wanted;
    return refuse("record " + id + " has no terminal " + std::to_string(*channel), kNotFound);
  }
  if (casts.empty()) return refuse("record " + id + " has no terminal", kNotFound);
  if (casts.size() > 1)
    complain(id + " has " + std::to_string(casts.size()) + " terminals; this is " + casts[0] +
                 ", and --terminal N names another",
             kOk);
  return casts[0];
}

// Opens the record and calls `use` with its reader.
template <typename Use>
int with_file(const std::string& path, const std::string& name, const Use& use) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int code = errno;
    return complain(printable(fail_errno("open " + path, code).value().message),
                    code == ENOENT ? kNotFound : kFailed);
  }
  auto cast = record::CastReader::of(in);
  const Result<void> done = cast ? use(*cast) : tl::unexpected(cast.error());
  return done ? int{kOk} : complain(printable(name + ": " + done.error().message), kFailed);
}

// The call's one word: a file, or a record that the gateway has.
template <typename Use>
int with_cast(const Invocation& call, const Use& use) {
  const std::string& word = call.words[0];
  if (!is_on_gateway(word)) return with_file(word, word, use);
  const RecordsClient client(call);
  const auto name = terminal_of(call, client, word);
  if (!name) return complain(name.error().message, name.error().code);
  const auto file = FetchedFile::fetch(client, word, *name);
  return file ? with_file(file->path(), *name, use) : complain(file.error().message, file.error().code);
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
  return with_cast(call, [&](record::CastReader& cast) -> Result<void> {
    const auto [columns, rows] = cast.header();
    if (is_terminal(stdout) && columns > columns_of(stdout))
      complain("the record is " + std::to_string(columns) + "x" + std::to_string(rows) +
                   "; this terminal has fewer columns, and lines will break",
               kOk);
    return replay(cast, options);
  });
}

int run_export(const Invocation& call) {
  if (call.has("--to") == call.has("--text"))
    return complain("session export needs --text, or --to FOLDER for the files themselves", kMisuse);
  if (call.has("--to")) {
    const std::string& id = call.words[0];
    if (!is_on_gateway(id))
      return complain(printable(id) + " is a file already; --to is for records that the gateway has",
                      kMisuse);
    const auto saved = save_files(RecordsClient(call), id, call.value("--to"));
    return saved ? int{kOk} : complain(saved.error().message, saved.error().code);
  }
  return with_cast(call, [](record::CastReader& cast) -> Result<void> {
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
    {"session verify", "RECORD...", 1, 100'000, kVerifyOptions,
     "Say whether records are as they were written",
     "\nA RECORD is a file, or the id of one that the gateway has (session ls). Says for each, from "
     "FILE.chain "
     "beside it: whole; cut off, as a crash leaves it, and how many "
     "bytes\n"
     "are not covered; changed, and at which block; and by which key it is signed. Without --key a record "
     "that\n"
     "somebody wrote anew and signed with a key of his own is whole, too. Exit status 0: all are whole and\n"
     "signed, by that key if one is given; 1: one is not; 3: one is not there.\n",
     run_verify},
    {"session replay", "RECORD", 1, 1, kReplayOptions, "Play the record of a session on this terminal",
     "\nOf a file, or of the id of a record that the gateway has. Escape sequences that do more than show "
     "text are left out: titles, clipboard, links, questions that "
     "the\n"
     "terminal would answer, changes to keys and mouse. Other players of asciicast v2 pass all of them.\n",
     run_replay},
    {"session export", "RECORD", 1, 1, kExportOptions, "Print what a session showed, or take its files",
     "\n--text: what was typed over in a line is resolved; of programs that draw the whole screen, the "
     "pieces "
     "remain.\n",
     run_export},
};

}  // namespace

std::span<const Command> session_commands() { return kCommands; }

}  // namespace envgate::cli
