// `envctl doctor`: whether this installation is well, and what to do where it is not. Thread: main's.
#pragma once

#include "control/cli/control_client.hpp"

namespace envgate::cli {

// As the API's own checks are: status is "ok", "warn" or "fail".
struct Check {
  std::string name, status, message, remedy;
};

std::vector<Check> control_checks(const ControlClient& client);
std::vector<Check> gateway_checks(const std::string& socket, std::chrono::milliseconds patience);

// Of one certificate that expires in so many seconds, and of a server's time (a Date, or RFC 3339 in UTC)
// beside our clock.
Check certificate_check(const std::string& names, double expires_in_seconds);
Check clock_check(const std::string& whose, const std::string& date, std::int64_t now);

Command doctor_command();

}  // namespace envgate::cli
