// The SSH connection protocol between two strangers, under a policy. An input is the policy's bits in two
// bytes, then messages: who sends it (1 the client), its length in two bytes, its payload. Nobody is answered
// more often than he asked, channels stay within their bound, and what is put in a message's place can be
// read.
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/connection/connection.hpp"

using namespace envgate::ssh;
using namespace envgate::ssh::session;

namespace {

monitor::Policy policy_of(unsigned bits) {
  monitor::Policy policy;
  bool* const flags[] = {&policy.permitted.shell,
                         &policy.permitted.exec,
                         &policy.permitted.sftp,
                         &policy.permitted.pty,
                         &policy.permitted.agent,
                         &policy.permitted.x11,
                         &policy.permitted.local_forwarding,
                         &policy.permitted.remote_forwarding,
                         &policy.permitted.unix_forwarding,
                         &policy.recording.terminal,
                         &policy.recording.input,
                         &policy.recording.files};
  for (bool* flag : flags) {
    *flag = (bits & 1) != 0;
    bits >>= 1;
  }
  if ((bits & 1) != 0) policy.force_command = "menu";
  if ((bits & 2) != 0) policy.recording.exec_output = 16;
  policy.most_channels = (bits & 4) != 0 ? 2 : 100;
  return policy;
}

// How many answers each end may still be given, of global requests and of channels'.
struct Owed {
  std::array<long, 2> global{}, channel{};

  void asks(Side from, std::string_view payload) {
    auth::Reader body(payload.substr(1));
    std::uint32_t channel_number;
    std::string_view request;
    bool want_reply = false;
    const auto type = static_cast<std::uint8_t>(payload[0]);
    if (type == message::kGlobalRequest && body.string(request) && body.boolean(want_reply))
      global[index(from)] += want_reply;
    if (type == message::kRequest && body.uint32(channel_number) && body.string(request) &&
        body.boolean(want_reply))
      channel[index(from)] += want_reply;
  }
  void is_given(Side to, std::string_view payload) {
    const auto type = static_cast<std::uint8_t>(payload[0]);
    if (type == message::kRequestSuccess || type == message::kRequestFailure) CHECK(--global[index(to)] >= 0);
    if (type == message::kSuccess || type == message::kFailure) CHECK(--channel[index(to)] >= 0);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size < 2) return 0;
  const monitor::Policy policy = policy_of(static_cast<unsigned>(data[0]) << 8 | data[1]);
  std::uint64_t events = 0;
  Connection connection(policy, [&events](const monitor::RecordEvent& event) {
    auth::Writer writer;
    write(writer, event);
    auth::Reader reader(writer.bytes());
    CHECK(monitor::read_record_event(reader));
    ++events;
  });
  Owed owed;
  Clock::time_point now;
  input.remove_prefix(2);
  while (input.size() >= 3) {
    const Side from = (input[0] & 1) != 0 ? Side::client : Side::target;
    const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8 |
                               static_cast<unsigned char>(input[2]);
    const std::string_view payload = input.substr(3, length);
    input.remove_prefix(3 + payload.size());
    now += std::chrono::milliseconds(1);
    const Verdict verdict = connection.take(from, payload, now);
    CHECK(connection.channels() <= policy.most_channels);
    if (verdict.action == Verdict::Action::violation) {
      CHECK(!verdict.text.empty() && verdict.replies.empty() && !verdict.replacement);
      break;
    }
    owed.asks(from, payload);
    if (verdict.action == Verdict::Action::pass)
      owed.is_given(other(from), verdict.replacement ? *verdict.replacement : payload);
    for (const auto& reply : verdict.replies) owed.is_given(reply.to, reply.payload);
  }
  connection.end(now);
  CHECK(connection.channels() == 0 && events <= 4 * size + 4);
  return 0;
}
