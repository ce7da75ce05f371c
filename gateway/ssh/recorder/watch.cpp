#include "gateway/ssh/recorder/watch.hpp"

#include <algorithm>
#include <utility>

namespace envgate::ssh::recorder {
namespace {

constexpr std::size_t kPieceCost = 64;  // of a piece, whatever is in it

// Cut so that it begins with a line, where one begins soon; else with a character.
std::string_view newest_of(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::string_view out = text.substr(text.size() - most);
  const std::size_t line = out.substr(0, out.size() / 4).find('\n');
  if (line != out.npos) return out.substr(line + 1);
  while (!out.empty() && (static_cast<unsigned char>(out.front()) & 0xc0) == 0x80) out.remove_prefix(1);
  return out;
}

}  // namespace

std::vector<Watched> Watch::take() {
  const std::lock_guard lock(mutex_);
  bytes_ = 0;
  std::vector<Watched> out = std::exchange(waiting_, {});
  if (lost_ > 0) {
    Watched told;
    told.kind = Watched::Kind::lost;
    told.bytes = std::exchange(lost_, 0);
    out.insert(out.begin(), std::move(told));  // what was dropped came before all that is left
  }
  return out;
}

void Watch::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  ready_ = nullptr;
  waiting_.clear();
}

bool Watch::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Watch::put(Watched piece) {
  const std::lock_guard lock(mutex_);
  if (closed_ || ended_) return;
  const bool first = waiting_.empty() && lost_ == 0;
  const std::size_t cost = piece.text.size() + kPieceCost;
  if (bytes_ + cost > kWatchMost) {
    for (const Watched& one : waiting_) lost_ += one.text.size();
    waiting_.clear();
    bytes_ = 0;
  }
  ended_ = piece.kind == Watched::Kind::ended;
  bytes_ += cost;
  waiting_.push_back(std::move(piece));
  if (first && ready_) ready_();
}

Screens::~Screens() {
  for (const auto& [channel, screen] : screens_) budget_->used -= screen.newest.size();
}

void Screens::begin(std::uint32_t channel, std::uint32_t columns, std::uint32_t rows) {
  screens_.try_emplace(channel);
  resized(channel, columns, rows);
}

void Screens::keep(Screen& screen, std::string_view text) {
  budget_->used -= screen.newest.size();
  screen.newest += text;
  // Half of it goes at once, so that most pieces move nothing.
  if (screen.newest.size() > kScreenMost) screen.newest = newest_of(screen.newest, kScreenMost / 2);
  if (budget_->used + screen.newest.size() > budget_->most) screen.newest = std::string();
  budget_->used += screen.newest.size();
}

void Screens::output(std::uint32_t channel, std::string_view bytes) {
  const auto found = screens_.find(channel);
  if (found == screens_.end()) return;
  const std::string_view text = found->second.carry.take(bytes);
  if (text.empty()) return;
  keep(found->second, text);
  if (watchers_.empty()) return;
  Watched piece;
  piece.channel = channel;
  piece.text = text;
  tell(piece);
}

void Screens::resized(std::uint32_t channel, std::uint32_t columns, std::uint32_t rows) {
  const auto found = screens_.find(channel);
  if (found == screens_.end()) return;
  found->second.columns = columns;
  found->second.rows = rows;
  tell({Watched::Kind::resized, channel, {}, columns, rows, 0});
}

void Screens::end(std::uint32_t channel) {
  const auto found = screens_.find(channel);
  if (found == screens_.end()) return;
  budget_->used -= found->second.newest.size();
  screens_.erase(found);
}

void Screens::watch(std::shared_ptr<Watch> watch) {
  for (const auto& [channel, screen] : screens_) {
    watch->put({Watched::Kind::resized, channel, {}, screen.columns, screen.rows, 0});
    if (!screen.newest.empty()) watch->put({Watched::Kind::output, channel, screen.newest, 0, 0, 0});
  }
  watchers_.push_back(std::move(watch));
}

void Screens::ended(const std::string& reason) {
  tell({Watched::Kind::ended, 0, reason, 0, 0, 0});
  watchers_.clear();
}

void Screens::forget_closed() {
  std::erase_if(watchers_, [](const std::shared_ptr<Watch>& watch) { return watch->closed(); });
}

void Screens::tell(const Watched& piece) {
  for (const std::shared_ptr<Watch>& watch : watchers_) watch->put(piece);
}

}  // namespace envgate::ssh::recorder
