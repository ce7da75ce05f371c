#include "gateway/ssh/session/connection/channel_record.hpp"

#include <algorithm>

namespace envgate::ssh::session {
namespace {

using monitor::Output;

constexpr std::size_t kEarlyInputMax = 64 * 1024;  // bytes typed before the target says that the program runs
constexpr std::size_t kTermMax = 64, kSignalMax = 64;

// Where files are not to be recorded a transfer is still followed: what turns out to be none is output.
const Sink kNowhere = [](monitor::RecordEvent) {};

std::string cut(std::string_view text, std::size_t most) { return std::string(text.substr(0, most)); }

}  // namespace

void ChannelRecord::ask_pty(std::string_view term, std::uint32_t columns, std::uint32_t rows) {
  pty_ = Stage::asked;
  term_ = cut(term, kTermMax);
  columns_ = columns;
  rows_ = rows;
}

void ChannelRecord::ask_program(std::string_view kind, std::string_view command) {
  program_ = Stage::asked;
  kind_ = kind;
  command_ = cut(command, monitor::kRecordTextMax);
  const Sink& sink = recording_.files ? sink_ : kNowhere;
  if (kind == "subsystem") observer_ = observer_of_subsystem(command, channel_, sink);
  if (kind == "exec") observer_ = observer_of_command(command, channel_, sink);
}

void ChannelRecord::answer_pty(bool granted) { pty_ = granted ? Stage::granted : Stage::none; }

void ChannelRecord::answer_program(bool granted) {
  if (granted || begun_) {
    program_ = Stage::granted;
    begin();
    return;
  }
  program_ = Stage::none;
  observer_.reset();
  early_input_.clear();
}

void ChannelRecord::begin() {
  if (begun_) return;
  begun_ = true;
  terminal_ = pty_ != Stage::none;
  if (!terminal_) return sink_(monitor::CommandBegan{channel_, kind_, command_});
  sink_(monitor::TerminalBegan{channel_, columns_, rows_, term_, command_});
  if (!early_input_.empty()) output(Output::Stream::input, early_input_);
  early_input_ = std::string();
}

void ChannelRecord::resize(std::uint32_t columns, std::uint32_t rows) {
  if (columns == columns_ && rows == rows_) return;
  columns_ = columns;
  rows_ = rows;
  if (begun_ && terminal_ && recording_.terminal) sink_(monitor::Resized{channel_, columns, rows});
}

void ChannelRecord::data(Side from, bool extended, std::string_view bytes) {
  if (program_ == Stage::none) return;
  if (!begun_ && from == Side::target) begin();  // it runs, whenever the target says so
  const bool was_begun = begun_;
  if (!begun_ && pty_ != Stage::none) early_input(bytes);
  if (observer_ != nullptr && !extended) observer_->data(from, bytes);
  if (!was_begun) return;
  const auto stream = from == Side::client ? Output::Stream::input
                      : extended           ? Output::Stream::error
                                           : Output::Stream::output;
  if (terminal_) {
    if (recording_.terminal && (from == Side::target || recording_.input)) output(stream, bytes);
  } else if (from == Side::target && (extended || observer_ == nullptr || !observer_->observing())) {
    const std::uint64_t room = recording_.exec_output - kept_;
    bytes = bytes.substr(0, std::min<std::uint64_t>(room, bytes.size()));
    kept_ += bytes.size();
    output(stream, bytes);
  }
}

void ChannelRecord::early_input(std::string_view bytes) {
  if (!recording_.terminal || !recording_.input) return;
  early_input_ += bytes;
  if (early_input_.size() > kEarlyInputMax) begin();
}

void ChannelRecord::output(Output::Stream stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, monitor::kRecordPieceMax);
    sink_(Output{channel_, stream, std::string(piece)});
    bytes.remove_prefix(piece.size());
  }
}

void ChannelRecord::exited(std::uint32_t status, std::string_view signal) {
  if (!begun_ || exited_) return;
  exited_ = true;
  sink_(monitor::Exited{channel_, status, cut(signal, kSignalMax)});
}

void ChannelRecord::end(std::uint64_t bytes_to_target, std::uint64_t bytes_to_client) {
  if (observer_ != nullptr) observer_->end();
  if (begun_) sink_(monitor::ChannelEnded{channel_, bytes_to_target, bytes_to_client});
}

}  // namespace envgate::ssh::session
