// Where a controller may be killed by the kill test: before and after every call that leaves the process.
// Does nothing unless the variable ENVGATE_TEST_KILL_AT=N is set; then the N-th point that is passed ends the
// process as kill -9 would. ENVGATE_TEST_KILL_LOG=FILE appends each point's name, so that a test knows how
// many there are. Thread: any.
#pragma once

namespace envgate::control {
void fault_point(const char* name);
}
