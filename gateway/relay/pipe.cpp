#include "gateway/relay/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace envgate::relay {
namespace {
constexpr std::size_t kKept = 32;  // pipes a thread keeps
}

struct PipePool {
  std::vector<Pipe> pipes;
  ~PipePool() {
    for (Pipe& pipe : pipes) pipe.read_.reset(), pipe.write_.reset();
  }
  static PipePool& mine() {
    thread_local PipePool pool;
    return pool;
  }
};

bool Pipe::take(std::size_t size) {
  auto& pool = PipePool::mine().pipes;
  if (!pool.empty() && pool.back().size_ == size) {
    *this = std::move(pool.back());
    pool.pop_back();
    return true;
  }
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return false;
  read_ = Fd(ends[0]);
  write_ = Fd(ends[1]);
  size_ = size;
  held = 0;
  // An unprivileged user may own only pipe-user-pages-soft in all (pipe(7)): take what is granted.
  for (std::size_t wanted = size; wanted > 65536; wanted /= 4)
    if (::fcntl(write_.get(), F_SETPIPE_SZ, static_cast<int>(wanted)) >= 0) break;
  return true;
}

void Pipe::give_back() {
  if (!read_) return;
  auto& pool = PipePool::mine().pipes;
  if (held == 0 && pool.size() < kKept) {
    pool.push_back(std::move(*this));
  } else {
    read_.reset();
    write_.reset();
  }
  held = 0;
}

}  // namespace envgate::relay
