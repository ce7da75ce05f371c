// Small things that must outlive a restart: who this install is, sealed secrets, answers to repeated
// requests. Thread: as the transaction's.
#pragma once

#include <optional>
#include <string>

#include "control/store/database.hpp"

namespace envgate::control::store {

struct Head {
  std::string install;    // in every label and name that we make; empty: never started
  std::string key_check;  // a constant, sealed with the key file's key
};
Head read_head(Transaction& t);
void write_head(Transaction& t, const Head& head);

// Sealed by control/secrets: this room never sees a secret in clear.
void put_sealed(Transaction& t, const std::string& environment, const std::string& name,
                const std::string& sealed);
std::optional<std::string> find_sealed(Transaction& t, const std::string& environment,
                                       const std::string& name);
void remove_sealed(Transaction& t, const std::string& environment);  // all of them
void remove_sealed(Transaction& t, const std::string& environment, const std::string& name);

// The authority that signs certificates for targets: one of all controllers on this database.
struct Authority {
  std::string public_key;  // its line
  std::string sealed;      // its seed
};
std::optional<Authority> find_authority(Transaction& t);
void put_authority(Transaction& t, const Authority& authority);

struct Answer {
  std::string request;  // a hash of what was asked
  int status = 0;
  std::string body;
};
std::optional<Answer> find_answer(Transaction& t, const std::string& idempotency_key);
void put_answer(Transaction& t, const std::string& idempotency_key, const Answer& answer);
void forget_answers(Transaction& t, long long older_than_ms);

}  // namespace envgate::control::store
