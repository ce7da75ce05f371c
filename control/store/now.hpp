// The database's clock, without SOCI.
#pragma once

namespace envgate::control::store {

// Milliseconds since the epoch: every time in the database.
long long now_ms();

}  // namespace envgate::control::store
