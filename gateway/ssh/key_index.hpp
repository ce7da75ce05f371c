// Which public keys may log in anywhere, and where: so that a jump host, whose user is no environment, can
// let in whoever holds a key of some environment, and then to where that key is authorized alone.
//
// Follows the routes, from the first change on (Gateway::routes_changed). Keys are kept as SHA-256 of their
// blobs, 32 bytes each. Thread: any (it locks; parsing is outside of the lock); apply by one at a time, in
// the order of the changes. Source: the authorized_keys of routing::SshUser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/names.hpp"
#include "routing/router.hpp"

namespace envgate::ssh {

class KeyIndex {
 public:
  // An environment's keys beyond these are passed over, and counted as skipped.
  static constexpr std::size_t kKeysMax = 1024;

  void apply(std::span<const routing::RouteChange> changes);

  // `blob`: a public key's, as auth::PublicKey::blob() gives it; not a certificate's.
  bool known(std::string_view blob) const;  // for any environment
  bool authorized(const routing::EnvId& env, std::string_view blob) const;

  std::size_t keys() const;          // different ones
  std::size_t environments() const;  // that authorize a key
  std::uint64_t skipped() const;     // lines that are no key, so far, each time that they were read

 private:
  using Digest = std::string;  // 32 bytes
  struct Keys {
    std::vector<Digest> digests;  // sorted, each once
    std::uint64_t skipped = 0;
  };
  static Keys keys_of(const routing::Route& route);
  void put(const routing::EnvId& env, Keys keys);

  mutable std::shared_mutex mutex_;
  std::unordered_map<routing::EnvId, std::vector<Digest>> of_environment_;
  std::unordered_map<Digest, std::size_t> holders_;  // how many environments authorize it
  std::uint64_t skipped_ = 0;
};

}  // namespace envgate::ssh
