#include "gateway/ssh/recorder/session_writer.hpp"

#include <algorithm>
#include <cerrno>

namespace envgate::ssh::recorder {
namespace {

constexpr std::uint32_t kMostCells = 10'000;  // columns or rows that a stranger may claim

record::Offset since(SteadyTime began, SteadyTime at) {
  return std::max(at - began, SteadyTime::duration::zero());
}

unsigned cells(std::uint32_t claimed) { return std::clamp(claimed, 1u, kMostCells); }

}  // namespace

SessionWriter::SessionWriter(Desk& desk, IndexEntry entry, const monitor::Recording& recording,
                             SteadyTime began)
    : desk_(desk), entry_(std::move(entry)), recording_(recording), began_(began), screens_(desk.screens) {}

Result<void> SessionWriter::begin() { return write_entry(desk_.directory, entry_, Durable::yes); }

Result<void> SessionWriter::take(const monitor::RecordEvent& event, SteadyTime at) {
  return record::guarded(
      [&] { return std::visit([&](const auto& one) -> Result<void> { return on(one, at); }, event); });
}

Result<void> SessionWriter::add_file(std::string name) {
  entry_.files.push_back(std::move(name));
  return write_entry(desk_.directory, entry_, Durable::no);
}

Result<record::ActivityLog*> SessionWriter::log() {
  if (!log_) {
    auto made = record::ActivityLog::create(desk_.directory, entry_.facts.session, entry_.facts,
                                            desk_.signing_key(), recording_.exec_output);
    if (!made) return tl::unexpected(made.error());
    log_ = std::move(*made);
    if (auto added = add_file(entry_.facts.session + ".jsonl"); !added) return tl::unexpected(added.error());
  }
  return &*log_;
}

// A number is given when a channel is opened, and never again; the programs on them begin as the target
// answers. One that waits until kRemembered newer ones have come is taken for a second beginning.
Result<void> SessionWriter::begins(std::uint32_t channel) {
  if (channel > last_channel_) {
    if (channel - last_channel_ >= kRemembered)
      begun_.reset();
    else
      for (std::uint32_t number = last_channel_ + 1; number < channel; ++number)
        begun_.reset(number % kRemembered);
    last_channel_ = channel;
  } else if (channel == 0 || last_channel_ - channel >= kRemembered || begun_.test(channel % kRemembered)) {
    return fail("channel " + std::to_string(channel) + " of session " + entry_.facts.session +
                    " is begun a second time",
                EPROTO);
  }
  begun_.set(channel % kRemembered);
  return {};
}

Result<void> SessionWriter::on(const monitor::TerminalBegan& event, SteadyTime at) {
  if (auto begun = begins(event.channel); !begun) return begun;
  if (!recording_.terminal) {
    auto begun = log_command(event.channel, "terminal", event.command, at);
    if (begun) unshown_.insert(event.channel);
    return begun;
  }
  if (++made_ > kMostTerminals)
    return fail("session " + entry_.facts.session + " has opened " + std::to_string(kMostTerminals) +
                    " terminals, the most that are recorded of one",
                EPROTO);
  record::SessionFacts facts = entry_.facts;
  facts.started_at += std::chrono::duration_cast<std::chrono::milliseconds>(offset(at));
  record::CastOptions options;
  options.columns = cells(event.columns);
  options.rows = cells(event.rows);
  options.term = event.term;
  options.title = event.command;
  options.input = recording_.input;
  options.most_output = desk_.max_output;
  const std::string name = facts.session + "-" + std::to_string(event.channel);
  auto cast = record::CastWriter::create(desk_.directory, name, facts, desk_.signing_key(), options);
  if (!cast) return tl::unexpected(cast.error());
  terminals_.emplace(event.channel, Terminal{std::move(*cast), at});
  screens_.begin(event.channel, options.columns, options.rows);
  return add_file(name + ".cast");
}

Result<void> SessionWriter::on(const monitor::CommandBegan& event, SteadyTime at) {
  if (auto begun = begins(event.channel); !begun) return begun;
  return log_command(event.channel, event.kind, event.command, at);
}

Result<void> SessionWriter::log_command(std::uint32_t channel, std::string_view kind,
                                        std::string_view command, SteadyTime at) {
  const auto to = log();
  if (!to) return tl::unexpected(to.error());
  auto written = (*to)->exec(channel, kind, command, offset(at));
  // No file's error: too many at once, then.
  if (!written && written.error().code == 0) written.error().code = EPROTO;
  return written;
}

Result<void> SessionWriter::on(const monitor::Output& event, SteadyTime at) {
  using Stream = monitor::Output::Stream;
  if (const auto found = terminals_.find(event.channel); found != terminals_.end()) {
    Terminal& terminal = found->second;
    if (event.stream == Stream::input) return terminal.cast.input(event.bytes, since(terminal.began, at));
    screens_.output(event.channel, event.bytes);
    return terminal.cast.output(event.bytes, since(terminal.began, at));
  }
  if (!log_ || unshown_.contains(event.channel)) return {};
  if (event.stream == Stream::input && !recording_.input) return {};
  const auto stream = event.stream == Stream::output  ? record::Stream::stdout_
                      : event.stream == Stream::error ? record::Stream::stderr_
                                                      : record::Stream::stdin_;
  return log_->output(event.channel, stream, event.bytes, offset(at));
}

Result<void> SessionWriter::on(const monitor::Resized& event, SteadyTime at) {
  const auto found = terminals_.find(event.channel);
  if (found == terminals_.end()) return {};
  const unsigned columns = cells(event.columns), rows = cells(event.rows);
  screens_.resized(event.channel, columns, rows);
  return found->second.cast.resize(columns, rows, since(found->second.began, at));
}

Result<void> SessionWriter::on(const monitor::Exited& event, SteadyTime at) {
  if (const auto found = terminals_.find(event.channel); found != terminals_.end()) {
    record::CastWriter& cast = found->second.cast;
    const auto when = since(found->second.began, at);
    return event.signal.empty() ? cast.exit(event.status, when) : cast.killed(event.signal, when);
  }
  return log_ ? log_->exit(event.channel, event.status, event.signal, offset(at)) : Result<void>();
}

Result<void> SessionWriter::end_terminal(std::uint32_t channel, Terminal& terminal, SteadyTime at) {
  auto ended = terminal.cast.end(since(terminal.began, at));
  entry_.bytes += terminal.cast.size();
  screens_.end(channel);
  return ended;
}

Result<void> SessionWriter::on(const monitor::ChannelEnded& event, SteadyTime at) {
  entry_.bytes_to_target += event.bytes_to_target;
  entry_.bytes_to_client += event.bytes_to_client;
  if (const auto found = terminals_.find(event.channel); found != terminals_.end()) {
    auto ended = end_terminal(event.channel, found->second, at);
    terminals_.erase(found);
    return ended;
  }
  unshown_.erase(event.channel);
  if (!log_) return {};
  return log_->closed(event.channel, event.bytes_to_target, event.bytes_to_client, offset(at));
}

Result<void> SessionWriter::on(const monitor::FileMoved& event, SteadyTime at) {
  if (!recording_.files) return {};
  const auto to = log();
  if (!to) return tl::unexpected(to.error());
  return (*to)->file({event.channel, event.operation, event.path, event.to_path, event.direction, event.bytes,
                      event.sha256, event.result},
                     offset(at));
}

Result<void> SessionWriter::on(const monitor::Forwarded& event, SteadyTime at) {
  entry_.bytes_to_target += event.bytes_to_target;
  entry_.bytes_to_client += event.bytes_to_client;
  if (!recording_.files) return {};
  const auto to = log();
  if (!to) return tl::unexpected(to.error());
  // Longer than the session itself is a lie, and would overflow.
  const auto lasted = std::min<std::uint64_t>(
      event.milliseconds,
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(offset(at)).count()));
  return (*to)->forward({event.channel, event.kind, event.destination, event.bytes_to_target,
                         event.bytes_to_client, std::chrono::milliseconds(lasted)},
                        offset(at));
}

Result<void> SessionWriter::on(const monitor::Refused& event, SteadyTime at) {
  const auto to = log();
  return to ? (*to)->refused(event.what, event.detail, offset(at)) : Result<void>(tl::unexpected(to.error()));
}

Result<void> SessionWriter::tick(SteadyTime at) {
  if (log_)
    if (auto ticked = log_->tick(offset(at)); !ticked) return ticked;
  for (auto& [channel, terminal] : terminals_)
    if (auto ticked = terminal.cast.tick(since(terminal.began, at)); !ticked) return ticked;
  return {};
}

Result<void> SessionWriter::end(SteadyTime at) {
  Result<void> first;
  for (auto& [channel, terminal] : terminals_)
    if (auto ended = end_terminal(channel, terminal, at); !ended && first) first = ended;
  terminals_.clear();
  if (!log_) return first;
  auto ended = log_->end(offset(at));
  entry_.bytes += log_->size();
  log_.reset();
  return first ? ended : first;
}

}  // namespace envgate::ssh::recorder
