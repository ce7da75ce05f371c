#include "gateway/http/scratch.hpp"

#include <vector>

namespace envgate::http {
namespace {

constexpr std::size_t kMostKept = 256;               // by each thread
constexpr std::size_t kMostText = 16 * 1024;         // what has grown beyond is not kept
constexpr std::size_t kFields = 32, kText = 1024;    // enough for most from the start

std::vector<std::unique_ptr<Scratch>>& kept() {
  thread_local std::vector<std::unique_ptr<Scratch>> list;
  return list;
}

}  // namespace

void GiveBackScratch::operator()(Scratch* scratch) const noexcept {
  std::unique_ptr<Scratch> owned(scratch);
  auto& list = kept();
  if (list.size() >= kMostKept || owned->text.capacity() > kMostText) return;
  owned->fields.clear();
  owned->text.clear();
  if (list.capacity() == 0) list.reserve(kMostKept);
  list.push_back(std::move(owned));
}

ScratchPtr take_scratch() {
  auto& list = kept();
  if (!list.empty()) {
    ScratchPtr taken(list.back().release());
    list.pop_back();
    return taken;
  }
  ScratchPtr made(new Scratch);
  made->fields.reserve(kFields);
  made->text.reserve(kText);
  return made;
}

}  // namespace envgate::http
