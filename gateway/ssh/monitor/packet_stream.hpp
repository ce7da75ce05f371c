// The monitor's end of the socketpair to its session process, on the reactor: one packet a read, and packets,
// with or without a descriptor, sent at once or not at all (the other end always reads). Owns: the fd.
// Thread: the reactor's.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "gateway/net/stream.hpp"

namespace envgate::ssh::monitor {

class PacketStream final : public net::Stream {
 public:
  Result<void> open(loop::Reactor& reactor, Fd fd);  // of packet_pair

  // `into` takes a whole packet; what is beyond it is lost, so let it be longer than any may be.
  net::IoResult try_read(std::span<char> into) override;
  net::IoResult try_write(std::span<const iovec> from) override;  // one packet
  void shutdown_write() override;
  // The other end is told the last words, and then that there is nothing more: it ends, which is what who
  // waits here then sees.
  void abort(bool reset) override;
  void set_last_words(std::string packet) { last_words_ = std::move(packet); }
  loop::Watch& watch() override { return watch_; }

  bool send(std::string_view packet, int descriptor = -1);

 private:
  Fd fd_;
  std::string last_words_;
  loop::Watch watch_;
};

}  // namespace envgate::ssh::monitor
