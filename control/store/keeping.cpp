#include "control/store/keeping.hpp"

#include "control/store/session.hpp"

namespace envgate::control::store {

using soci::into;
using soci::use;

Head read_head(Transaction& t) {
  Head head;
  t.sql << "SELECT install, key_check FROM head WHERE id = 1", into(head.install), into(head.key_check);
  return head;
}

void write_head(Transaction& t, const Head& head) {
  t.sql << "UPDATE head SET install = :i, key_check = :k WHERE id = 1", use(head.install),
      use(head.key_check);
}

void put_sealed(Transaction& t, const std::string& environment, const std::string& name,
                const std::string& sealed) {
  t.sql << "DELETE FROM sealed_secrets WHERE environment = :e AND name = :n", use(environment), use(name);
  t.sql << "INSERT INTO sealed_secrets VALUES (:e, :n, :s)", use(environment), use(name), use(sealed);
}

std::optional<std::string> find_sealed(Transaction& t, const std::string& environment,
                                       const std::string& name) {
  std::string sealed;
  t.sql << "SELECT sealed FROM sealed_secrets WHERE environment = :e AND name = :n", use(environment),
      use(name), into(sealed);
  if (!t.sql.got_data()) return std::nullopt;
  return sealed;
}

void remove_sealed(Transaction& t, const std::string& environment) {
  t.sql << "DELETE FROM sealed_secrets WHERE environment = :e", use(environment);
}

void remove_sealed(Transaction& t, const std::string& environment, const std::string& name) {
  t.sql << "DELETE FROM sealed_secrets WHERE environment = :e AND name = :n", use(environment), use(name);
}

std::optional<Authority> find_authority(Transaction& t) {
  Authority authority;
  t.sql << "SELECT public_key, sealed FROM ssh_authority WHERE id = 1", into(authority.public_key),
      into(authority.sealed);
  if (!t.sql.got_data()) return std::nullopt;
  return authority;
}

void put_authority(Transaction& t, const Authority& authority) {
  t.sql << "INSERT INTO ssh_authority VALUES (1, :k, :s)", use(authority.public_key), use(authority.sealed);
}

std::optional<Answer> find_answer(Transaction& t, const std::string& key) {
  Answer answer;
  t.sql << "SELECT request, status, body FROM answers WHERE idempotency_key = :k", use(key),
      into(answer.request), into(answer.status), into(answer.body);
  if (!t.sql.got_data()) return std::nullopt;
  return answer;
}

void put_answer(Transaction& t, const std::string& key, const Answer& answer) {
  const long long now = now_ms();
  t.sql << "INSERT INTO answers VALUES (:k, :r, :s, :b, :n)", use(key), use(answer.request),
      use(answer.status), use(answer.body), use(now);
}

void forget_answers(Transaction& t, long long older_than_ms) {
  t.sql << "DELETE FROM answers WHERE created < :o", use(older_than_ms);
}

}  // namespace envgate::control::store
