// How often operator new was called, in this thread of the test program.
#pragma once

#include <cstddef>

namespace envgate::ssh::session::test {
std::size_t allocations();
}
