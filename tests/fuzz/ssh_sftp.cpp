// What two strangers send through a channel that moves files. An input is the transfer (0 SFTP, 1 scp's
// upload, 2 its download), then pieces: who sends it (1 the client), its length in two bytes, its bytes.
// However the bytes are cut into pieces, what the record is told is the same; and every event can be told.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/connection/file_observer.hpp"

using namespace envgate::ssh;
using namespace envgate::ssh::session;

namespace {

using Events = std::vector<monitor::RecordEvent>;

std::unique_ptr<FileObserver> observer_of(unsigned kind, const Sink& sink) {
  if (kind == 0) return observer_of_subsystem("sftp", 1, sink);
  return observer_of_command(kind == 1 ? "scp -t ." : "scp -f .", 1, sink);
}

Events look(std::string_view input, std::size_t most) {
  Events events;
  const Sink sink = [&events](monitor::RecordEvent event) { events.push_back(std::move(event)); };
  const auto observer = observer_of(static_cast<unsigned char>(input[0]) % 3, sink);
  input.remove_prefix(1);
  while (input.size() >= 3) {
    const Side from = (input[0] & 1) != 0 ? Side::client : Side::target;
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8 |
                             static_cast<unsigned char>(input[2]);
    std::string_view bytes = input.substr(3, size);
    input.remove_prefix(3 + bytes.size());
    while (!bytes.empty()) {
      observer->data(from, bytes.substr(0, most));
      bytes.remove_prefix(std::min(most, bytes.size()));
    }
  }
  observer->end();
  CHECK(!observer->observing());
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const Events events = look(input, 65536);
  CHECK(events == look(input, 1));
  CHECK(events.size() <= size + 1);
  for (const auto& event : events) {
    const auto& moved = std::get<monitor::FileMoved>(event);
    CHECK(!moved.operation.empty() && !moved.result.empty());
    CHECK(moved.sha256.empty() || (moved.sha256.size() == 64 && moved.result == "ok"));
  }
  return 0;
}
