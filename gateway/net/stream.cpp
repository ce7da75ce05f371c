#include "gateway/net/stream.hpp"

#include <utility>

namespace envgate::net {

void IoWait::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  loop::Watch& watch = stream_.watch();
  watch.arm(result_.wait_for, *this);
  if (deadline_ != loop::kNever) watch.reactor().timers().arm(*this, deadline_);
}

void IoWait::ready() {
  const loop::Direction waited_for = result_.wait_for;
  result_ = attempt();
  if (result_.status != IoStatus::blocked) {
    stream_.watch().disarm(waited_for);
    finish();
  } else if (result_.wait_for != waited_for) {
    stream_.watch().disarm(waited_for);
    stream_.watch().arm(result_.wait_for, *this);
  }
}

void IoWait::expired() {
  stream_.watch().disarm(result_.wait_for);
  result_ = IoResult::failed(ETIMEDOUT);
  finish();
}

void IoWait::finish() {
  disarm();
  std::exchange(handle_, nullptr).resume();
}

WriteAll::WriteAll(Stream& stream, std::string_view first, std::string_view second, loop::Deadline deadline)
    : IoWait(stream, deadline),
      pieces_{{const_cast<char*>(first.data()), first.size()},
              {const_cast<char*>(second.data()), second.size()}} {
  if (first.empty()) at_ = 1;
}

IoResult WriteAll::attempt() {
  while (at_ < 2 && pieces_[at_].iov_len > 0) {
    const int last = pieces_[1].iov_len > 0 ? 2 : 1;
    const IoResult result = stream_.try_write({pieces_ + at_, static_cast<std::size_t>(last - at_)});
    if (result.status != IoStatus::done) return result;
    written_ += result.bytes;
    std::size_t taken = result.bytes;
    while (at_ < last && taken >= pieces_[at_].iov_len) taken -= pieces_[at_++].iov_len;
    if (at_ < last) {
      pieces_[at_].iov_base = static_cast<char*>(pieces_[at_].iov_base) + taken;
      pieces_[at_].iov_len -= taken;
    } else {
      break;
    }
  }
  return IoResult::done(written_);
}

}  // namespace envgate::net
