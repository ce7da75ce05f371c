// What a session process sends to the monitor, and the monitor to it. Whatever is taken is written again as
// the same bytes.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/monitor/messages.hpp"

using namespace envgate;
using namespace envgate::ssh::monitor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto message = decode_to_session(input)) CHECK(encode(*message) == input);
  if (const auto message = decode_to_monitor(input)) CHECK(encode(*message) == input);
  if (const auto message = decode_keeper(input)) CHECK(encode(*message) == input);
  ssh::auth::Reader reader(input);
  if (const auto event = read_record_event(reader)) {
    ssh::auth::Writer writer;
    write(writer, *event);
    CHECK(input.starts_with(writer.bytes()) && writer.bytes().size() + reader.rest().size() == size);
  }
  return 0;
}
