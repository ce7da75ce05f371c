// A ticket from a URL or a cookie from a Cookie field. What is taken was signed with the key, and it is the
// only text for what it says: changing any byte makes it worthless. The corpus has some that are good.
#include <numeric>
#include <string>

#include "base/check.hpp"
#include "routing/tickets.hpp"

using namespace envgate::routing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const TicketKey key = [] {
    TicketKey::Bytes bytes;
    std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(0));
    return TicketKey(bytes);
  }();
  const std::chrono::sys_seconds now{std::chrono::seconds(1'800'000'000)};
  const auto ticket = verify_ticket(key, text, now);
  const auto cookie = verify_cookie(key, text, now);
  CHECK(!ticket || !cookie);
  for (const auto& good : {ticket, cookie}) {
    if (!good) continue;
    CHECK(good->port != 0 && !good->env.empty() && good->expires > now);
    std::string changed = text;
    char& byte = changed[good->nonce[0] % changed.size()];
    byte = byte == 'A' ? 'B' : 'A';
    CHECK(!verify_ticket(key, changed, now) && !verify_cookie(key, changed, now));
  }
  return 0;
}
