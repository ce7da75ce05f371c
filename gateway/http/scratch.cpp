#include "gateway/http/scratch.hpp"

#include "gateway/loop/spares.hpp"

namespace envgate::http {
namespace {

constexpr std::size_t kMostText = 16 * 1024;       // what has grown beyond is not kept
constexpr std::size_t kFields = 32, kText = 1024;  // enough for most from the start

using Spares = loop::Spares<Scratch, 256>;

}  // namespace

void GiveBackScratch::operator()(Scratch* scratch) const noexcept {
  std::unique_ptr<Scratch> owned(scratch);
  if (owned->text.capacity() > kMostText) return;
  owned->fields.clear();
  owned->text.clear();
  Spares::give(std::move(owned));
}

ScratchPtr take_scratch() {
  if (std::unique_ptr<Scratch> spare = Spares::take()) return ScratchPtr(spare.release());
  ScratchPtr made(new Scratch);
  made->fields.reserve(kFields);
  made->text.reserve(kText);
  return made;
}

}  // namespace envgate::http
