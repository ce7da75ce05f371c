// From a route, or from what all routes say, to the account that a user name stands for. Thread: the
// worker's.
#pragma once

#include <string>
#include <string_view>

#include "gateway/ssh/auth/account.hpp"
#include "gateway/ssh/monitor/audited.hpp"
#include "routing/route.hpp"

namespace envgate::ssh::monitor {

// The login that an empty name stands for: the first user of the route; empty: it names none.
std::string default_login(const routing::Route& route);

// `login` at the route's environment. Unknown where the route does not name it.
auth::Account account_of(const Audited& audited, const routing::Route& route, std::string_view login);

// A user who is no environment, of whom we ask only that he has a key that is authorized somewhere: he may go
// on to where it is.
auth::Account jump_account(const Audited& audited);

}  // namespace envgate::ssh::monitor
