// Records a terminal session as asciicast v2, which asciinema and its web player play as it is: a header,
// then one event a line. What a session is of stands in the header's member "envgate". Thread: one; nothing
// throws. Source: docs.asciinema.org/manual/asciicast/v2; players pass over event codes that they do not know
// ("x").
#pragma once

#include "record/chained_file.hpp"
#include "record/session_facts.hpp"
#include "record/utf8_carry.hpp"

namespace envgate::record {

struct CastOptions {
  unsigned columns = 80, rows = 24;
  std::string term;               // TERM; may be empty
  std::string title;              // may be empty
  bool input = false;             // what is typed is kept, passwords with it
  std::uint64_t most_output = 0;  // bytes; behind them a marker "truncated" and no more output. 0: no limit
  BlockPolicy blocks;
};

class CastWriter {
 public:
  // DIRECTORY/NAME.cast and its chain. Errors: as ChainedFile's, of all functions here.
  static Result<CastWriter> create(const std::string& directory, const std::string& name,
                                   const SessionFacts& facts, const SigningKey* key,
                                   const CastOptions& options = {});

  // Any bytes. A UTF-8 sequence that is cut waits for its rest; what is no UTF-8 becomes U+FFFD, a byte each.
  Result<void> output(std::string_view bytes, Offset at);
  Result<void> input(std::string_view bytes, Offset at);  // nothing, unless the options say so
  Result<void> resize(unsigned columns, unsigned rows, Offset at);
  Result<void> marker(std::string_view label, Offset at);
  Result<void> tick(Offset at) { return file_.tick(at); }
  Result<void> exit(std::uint32_t status, Offset at);  // an "x" event
  // A marker "killed by SIGNAL", and an "x" event with 255, which is what ssh(1) then exits with.
  Result<void> killed(std::string_view signal, Offset at);
  Result<void> end(Offset at);

  std::optional<Offset> due() const { return file_.due(); }
  std::uint64_t size() const { return file_.size(); }

 private:
  explicit CastWriter(ChainedFile file) : file_(std::move(file)) {}
  Result<void> event(char code, std::string_view data, Offset at);
  Result<void> stream(char code, Utf8Carry& carry, std::string_view bytes, Offset at);
  Result<void> flush(Offset at);

  ChainedFile file_;
  CastOptions options_;
  Utf8Carry output_, input_;
  std::uint64_t output_bytes_ = 0;
  bool truncated_ = false;
  Offset now_{};
  std::string line_;
};

}  // namespace envgate::record
