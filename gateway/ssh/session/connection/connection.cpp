#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::uint32_t kRefusalsMax = 10'000;  // in one session: each is an event of the record
constexpr std::size_t kDetailMax = 1024;

void tell_end(Channel& channel, const monitor::Recording& recording, const Sink& sink,
              Clock::time_point now) {
  const std::uint64_t to_target = channel.bytes_to[index(Side::target)];
  const std::uint64_t to_client = channel.bytes_to[index(Side::client)];
  if (channel.record) return channel.record->end(to_target, to_client);
  if (channel.state == Channel::State::opening || !recording.files) return;
  const auto lasted = std::chrono::duration_cast<std::chrono::milliseconds>(now - channel.opened);
  sink(monitor::Forwarded{channel.number, channel.kind, channel.destination, to_target, to_client,
                          static_cast<std::uint64_t>(lasted.count())});
}

}  // namespace

Connection::Connection(monitor::Policy policy, Sink sink)
    : policy_(std::move(policy)), sink_(std::move(sink)) {}

Connection::~Connection() = default;

Verdict Connection::take(Side from, std::string_view payload, Clock::time_point now) {
  from_ = from;
  now_ = now;
  verdict_ = Verdict();
  Reader body(payload);
  std::uint8_t type;
  if (body.byte(type))
    dispatch(type, body);
  else
    violation("an empty message");
  return std::move(verdict_);
}

void Connection::dispatch(std::uint8_t type, Reader body) {
  switch (type) {
    case message::kData: return data(false, body);
    case message::kExtendedData: return data(true, body);
    case message::kWindowAdjust: return window_adjust(body);
    case message::kGlobalRequest: return global_request(body);
    case message::kRequestSuccess: return global_reply(true, body);
    case message::kRequestFailure: return global_reply(false, body);
    case message::kOpen: return open(body);
    case message::kOpenConfirmation: return open_confirmation(body);
    case message::kOpenFailure: return open_failure(body);
    case message::kEof: return eof(body);
    case message::kClose: return close(body);
    case message::kRequest: return request(body);
    case message::kSuccess: return channel_reply(true, body);
    case message::kFailure: return channel_reply(false, body);
    default: return violation("a message of type " + std::to_string(type));
  }
}

void Connection::end(Clock::time_point now) {
  for (auto& [number, channel] : channels_) tell_end(channel, policy_.recording, sink_, now);
  by_number_ = {};
  channels_.clear();
}

// Both ends have closed it, or it never came to be.
void Connection::forget(Channel& channel) {
  tell_end(channel, policy_.recording, sink_, now_);
  for (const Side side : {Side::client, Side::target}) {
    const auto found = by_number_[index(side)].find(channel.end(side).number);
    if (found == by_number_[index(side)].end() || found->second != &channel) continue;
    by_number_[index(side)].erase(found);
    auto& late = late_[index(side)];
    late[late_count_[index(side)]++ % late.size()] = channel.end(side).number;
  }
  channels_.erase(channel.number);
}

void Connection::violation(std::string text) {
  verdict_ = Verdict{Verdict::Action::violation, std::move(text), {}, {}};
}

void Connection::refused(std::string what, std::string_view detail) {
  sink_(monitor::Refused{std::move(what), std::string(detail.substr(0, kDetailMax))});
  if (++refusals_ > kRefusalsMax)
    violation("more than " + std::to_string(kRefusalsMax) + " forbidden requests");
}

void Connection::reply(Side to, std::string payload) { verdict_.replies.push_back({to, std::move(payload)}); }

}  // namespace envgate::ssh::session
