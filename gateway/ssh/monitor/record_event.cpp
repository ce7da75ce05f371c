#include "gateway/ssh/monitor/record_event.hpp"

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/monitor/fields.hpp"

namespace envgate::ssh::monitor {

// Found by the types of their arguments, so not in a namespace without a name.
auto last_of(Output::Stream) { return Output::Stream::input; }

void fields(auto& walk, Is<TerminalBegan> auto& e) { walk(e.channel, e.columns, e.rows, e.term, e.command); }
void fields(auto& walk, Is<CommandBegan> auto& e) { walk(e.channel, e.kind, e.command); }
void fields(auto& walk, Is<Output> auto& e) { walk(e.channel, e.stream, e.bytes); }
void fields(auto& walk, Is<Resized> auto& e) { walk(e.channel, e.columns, e.rows); }
void fields(auto& walk, Is<Exited> auto& e) { walk(e.channel, e.status, e.signal); }
void fields(auto& walk, Is<ChannelEnded> auto& e) { walk(e.channel, e.bytes_to_target, e.bytes_to_client); }
void fields(auto& walk, Is<FileMoved> auto& e) {
  walk(e.channel, e.operation, e.path, e.to_path, e.direction, e.bytes, e.sha256, e.result);
}
void fields(auto& walk, Is<Forwarded> auto& e) {
  walk(e.channel, e.kind, e.destination, e.bytes_to_target, e.bytes_to_client, e.milliseconds);
}
void fields(auto& walk, Is<Refused> auto& e) { walk(e.what, e.detail); }

namespace {

struct Longest {
  std::size_t operator()(const Output&) const { return kRecordPieceMax; }
  std::size_t operator()(const auto&) const { return kRecordTextMax; }
};

}  // namespace

void write(auth::Writer& writer, const RecordEvent& event) { write_variant(writer, event, Longest()); }

Result<RecordEvent> read_record_event(auth::Reader& reader) {
  RecordEvent event;
  if (!read_variant(reader, event, Longest())) return fail("a record's event that cannot be read");
  return event;
}

}  // namespace envgate::ssh::monitor
