// Tokens for the API's TLS listener. What is kept of one is its hash. Thread: as the transaction's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/store/database.hpp"

namespace envgate::control::store {

struct Token {
  std::string id, name, hash, role;
  long long created = 0, expires = 0, used = 0;  // expires 0: never
};

void insert_token(Transaction& t, const Token& token);
bool remove_token(Transaction& t, const std::string& id);
std::optional<Token> find_token(Transaction& t, const std::string& id);
std::optional<Token> token_by_hash(Transaction& t, const std::string& hash);
void note_token_use(Transaction& t, const std::string& id, long long at);
std::vector<Token> list_tokens(Transaction& t);  // the oldest first

}  // namespace envgate::control::store
