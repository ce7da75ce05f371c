// What the files of commands share: a command made of a function that is given a client, and the options that
// nearly all of them have. Thread: main's.
#pragma once

#include "control/cli/output.hpp"

namespace envgate::cli {

inline constexpr Option kAskOptions[] = {kOutput, kControlSocket, kTimeout};
inline constexpr Option kListOptions[] = {kLimit, kOutput, kControlSocket, kTimeout};

// Nothing is asked before the options that say how to ask and print are known to be good.
template <Asked<void> (*Run)(const Invocation&, const ControlClient&)>
int with_control(const Invocation& call) {
  Asked<void> done;
  const auto format = format_of(call);
  const auto client = ControlClient::of(call);
  if (!format || !client)
    done = tl::unexpected(format ? client.error() : format.error());
  else
    done = Run(call, *client);
  return done ? int{kOk} : complain(done.error().message, done.error().code);
}

// "?owner=a&state=b" of those options that are given; "" where none is. A filter's name is its option's.
std::string filters_of(const Invocation& call, std::initializer_list<std::string_view> options);

// One list, from asking to printing, with --limit.
Asked<void> list_and_print(const Invocation& call, const ControlClient& client, const std::string& target,
                           const ListShape& shape);

}  // namespace envgate::cli
