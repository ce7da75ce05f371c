// A ticket from a URL or a cookie from a Cookie field. What is taken was signed with the key, and it is the
// only text for what it says: changing any byte makes it worthless. The corpus has some that are good. And
// the Cookie field itself: what goes on to a target has none of ours, and is otherwise what came.
#include <numeric>
#include <string>

#include "base/check.hpp"
#include "gateway/http/private_cookie.hpp"
#include "routing/tickets.hpp"

using namespace envgate::http;
using namespace envgate::routing;

namespace {

void check_cookies(std::string_view field) {
  std::string scratch, more;
  const std::string_view left = without_private_cookie(field, scratch);
  std::size_t removed = 0;
  std::string_view rest = field, value;
  for (; next_private_cookie(rest, value); ++removed) {
    CHECK(value.find(';') == value.npos);
    CHECK(field.find(kPrivateCookie) != field.npos);
  }
  CHECK((left == field) == (removed == 0));
  // Each that went took its name and at most one ';' with it, and nothing that is left was not there before.
  CHECK(left.size() + removed * kPrivateCookie.size() <= field.size());
  std::size_t at = 0;
  for (const char byte : left) {
    at = field.find(byte, at);
    CHECK(at++ != field.npos);
  }
  rest = left;
  CHECK(!next_private_cookie(rest, value));
  CHECK(without_private_cookie(left, more) == left);
  // As a Set-Cookie value: what may be set is not sent back as ours.
  const std::string_view pair = field.substr(0, field.find(';'));
  rest = pair;
  if (!sets_private_cookie(field)) CHECK(!next_private_cookie(rest, value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const TicketKey key = [] {
    TicketKey::Bytes bytes;
    std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(0));
    return TicketKey(bytes);
  }();
  check_cookies(text);
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
