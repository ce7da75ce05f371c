#include "gateway/ssh/key_index.hpp"

#include <algorithm>
#include <mutex>

#include "gateway/ssh/auth/evp.hpp"
#include "gateway/ssh/auth/public_key.hpp"

namespace envgate::ssh {

KeyIndex::Keys KeyIndex::keys_of(const routing::Route& route) {
  Keys out;
  for (const routing::SshUser& user : route.services().ssh_users)
    for (const std::string& line : user.authorized_keys) {
      const auto parsed = out.digests.size() < kKeysMax ? auth::parse_authorized_key(line)
                                                        : Result<auth::AuthorizedKey>(fail("too many"));
      if (parsed)
        out.digests.push_back(auth::sha256(parsed->key.blob()));
      else
        ++out.skipped;
    }
  std::sort(out.digests.begin(), out.digests.end());
  out.digests.erase(std::unique(out.digests.begin(), out.digests.end()), out.digests.end());
  return out;
}

void KeyIndex::put(const routing::EnvId& env, Keys keys) {
  const std::unique_lock lock(mutex_);
  skipped_ += keys.skipped;
  // The new ones first, so that a key that stays is known throughout.
  for (const Digest& digest : keys.digests) ++holders_[digest];
  if (const auto before = of_environment_.find(env); before != of_environment_.end())
    for (const Digest& digest : before->second)
      if (const auto held = holders_.find(digest); --held->second == 0) holders_.erase(held);
  if (keys.digests.empty())
    of_environment_.erase(env);
  else
    of_environment_[env] = std::move(keys.digests);
}

void KeyIndex::apply(std::span<const routing::RouteChange> changes) {
  for (const routing::RouteChange& change : changes) {
    // Most changes are not of the keys, and a key of an elliptic curve takes a while to read.
    if (change.before && change.after &&
        change.before->services().ssh_users == change.after->services().ssh_users)
      continue;
    put(change.id, change.after ? keys_of(*change.after) : Keys());
  }
}

bool KeyIndex::known(std::string_view blob) const {
  const Digest digest = auth::sha256(blob);
  const std::shared_lock lock(mutex_);
  return holders_.contains(digest);
}

bool KeyIndex::authorized(const routing::EnvId& env, std::string_view blob) const {
  const Digest digest = auth::sha256(blob);
  const std::shared_lock lock(mutex_);
  const auto keys = of_environment_.find(env);
  return keys != of_environment_.end() &&
         std::binary_search(keys->second.begin(), keys->second.end(), digest);
}

std::size_t KeyIndex::keys() const {
  const std::shared_lock lock(mutex_);
  return holders_.size();
}

std::size_t KeyIndex::environments() const {
  const std::shared_lock lock(mutex_);
  return of_environment_.size();
}

std::uint64_t KeyIndex::skipped() const {
  const std::shared_lock lock(mutex_);
  return skipped_;
}

}  // namespace envgate::ssh
