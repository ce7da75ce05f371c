// How many there are of what, for metrics. Thread: as the transaction's.
#pragma once

#include <map>
#include <string>

#include "control/store/database.hpp"

namespace envgate::control::store {

struct Counts {
  std::map<std::string, long long> environments, machines;  // by state, tombstones left out
  long long open_operations = 0;
  long long oldest_open = 0;  // ms since the epoch; 0: none is open
};
Counts count_all(Transaction& t);

}  // namespace envgate::control::store
