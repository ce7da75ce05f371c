// Connection: what flows in a channel that is open. What one end sends after its own CLOSE is a violation
// where it would move bytes; a window adjustment, a request or an answer that was late is dropped, as OpenSSH
// does.
#include <algorithm>

#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::uint64_t kWindowMax = 0xffffffff;

}  // namespace

// The channel that a message is for, which `from_` names by the other end's number. Null: the verdict is
// given.
Channel* Connection::addressed(Reader& body, bool may_be_late) {
  std::uint32_t number;
  if (!body.uint32(number)) {
    violation("a message for no channel");
    return nullptr;
  }
  const std::size_t at = index(other(from_));
  const auto found = by_number_[at].find(number);
  if (found != by_number_[at].end() && found->second->state == Channel::State::open) {
    if (!found->second->end(from_).closed) return found->second;
    if (may_be_late)
      verdict_.action = Verdict::Action::drop;
    else
      violation("a message after its CLOSE of channel " + std::to_string(number));
    return nullptr;
  }
  const auto& late = late_[at];
  const auto late_end = late.begin() + static_cast<std::ptrdiff_t>(std::min(late_count_[at], late.size()));
  if (may_be_late && std::find(late.begin(), late_end, number) != late_end)
    verdict_.action = Verdict::Action::drop;
  else
    violation("a message for channel " + std::to_string(number) + ", which is not there");
  return nullptr;
}

void Connection::window_adjust(Reader body) {
  Channel* const channel = addressed(body, true);
  if (channel == nullptr) return;
  std::uint32_t more;
  if (!body.uint32(more) || !body.at_end()) return violation("a malformed window adjustment");
  ChannelEnd& end = channel->end(from_);
  if (end.window + more > kWindowMax) return violation("a window of more than 2^32-1 bytes");
  end.window += more;
}

void Connection::data(bool extended, Reader body) {
  Channel* const channel = addressed(body, false);
  if (channel == nullptr) return;
  std::uint32_t type;
  std::string_view bytes;
  if ((extended && !body.uint32(type)) || !body.string(bytes) || !body.at_end())
    return violation("malformed data");
  const Side to = other(from_);
  ChannelEnd& receiver = channel->end(to);
  if (channel->end(from_).eof) return violation("data after EOF");
  if (bytes.size() > receiver.packet_max) return violation("data beyond the maximum packet");
  if (bytes.size() > receiver.window) return violation("data beyond the window");
  receiver.window -= bytes.size();
  channel->bytes_to[index(to)] += bytes.size();
  bytes_to_[index(to)] += bytes.size();
  if (channel->record) channel->record->data(from_, extended, bytes);
}

void Connection::eof(Reader body) {
  Channel* const channel = addressed(body, false);
  if (channel == nullptr) return;
  if (!body.at_end()) return violation("a malformed EOF");
  channel->end(from_).eof = true;  // a second one says nothing new: Go's library sends it where asked twice
}

void Connection::close(Reader body) {
  Channel* const channel = addressed(body, false);
  if (channel == nullptr) return;
  if (!body.at_end()) return violation("a malformed CLOSE");
  channel->end(from_).closed = true;
  if (channel->end(other(from_)).closed) forget(*channel);
}

}  // namespace envgate::ssh::session
