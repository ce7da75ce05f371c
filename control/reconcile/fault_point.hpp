// Where a controller may be killed by the kill test: before and after every call that leaves the process.
// Nothing happens unless the variable ENVGATE_TEST_FAULTS names a directory. While that holds a file
// `kill_at` with a number N, points are counted and named in the file `passed`, and the N-th ends the process
// as kill -9 would. Thread: any.
#pragma once

namespace envgate::control {

void fault_point(const char* name);
bool fault_points_armed();

}  // namespace envgate::control
