// How SOCI reads and writes an Environment: for this room's .cpp files.
#pragma once

#include "control/store/environments.hpp"
#include "control/store/session.hpp"

namespace envgate::control::store {
Desired desired_of(const std::string& text);
State state_of(const std::string& text);
}  // namespace envgate::control::store

namespace soci {
template <>
struct type_conversion<envgate::control::store::Environment> {
  using base_type = values;
  static void from_base(const values& row, indicator, envgate::control::store::Environment& e);
  static void to_base(const envgate::control::store::Environment& e, values& row, indicator& ind);
};
}  // namespace soci
