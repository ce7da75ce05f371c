// The /bin/sh programs that are run on a machine as root: constant texts, whose data comes line by line over
// their standard input. Each says "envgate: begin" first (before it the account's own start-up files may have
// talked) and "envgate: done" last; why it failed is on its standard error, and its status is then not 0.
//
// They need OpenSSH's sshd with keys in ~/.ssh/authorized_keys, chpasswd (shadow), setpriv, flock
// (util-linux), timeout, mktemp (coreutils) and a Linux /proc.
#pragma once

#include <string>

namespace envgate::backends::physical::programs {

inline constexpr int kBusy = 75;  // status: an earlier program of ours is still at work there

// What each reads. "block": lines, then an empty line. "accounts": the admin account, its public key, and
// a block of the customer's accounts.
//
// Nothing. Says the marker.
const std::string& look();
// Nothing. Says "name value" lines; see facts.hpp.
const std::string& check();
// accounts, the marker's lines as a block, an account ("" for no login), its password ("": stays), a block of
// keys (none: stay). What a stop has put aside comes back first.
const std::string& grant();
// accounts, a block of the marker's lines (none: there was no marker), seconds from TERM to KILL. Puts
// password and keys aside, locks, ends sessions.
const std::string& stop();
// accounts, seconds from TERM to KILL. Ends sessions, locks, ends those that came in between.
const std::string& drain();
// The environment, seconds at most, then a script to the end of the input. Says the end of its output.
const std::string& clean();
// accounts. Removes the marker, then says what is there: see `check_verified`.
const std::string& verify();

}  // namespace envgate::backends::physical::programs
