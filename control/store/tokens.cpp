#include "control/store/tokens.hpp"

#include "control/store/session.hpp"

namespace soci {
template <>
struct type_conversion<envgate::control::store::Token> {
  using Token = envgate::control::store::Token;
  using base_type = values;
  static void from_base(const values& row, indicator, Token& token) {
    token = {row.get<std::string>("id"),   row.get<std::string>("name"),  row.get<std::string>("hash"),
             row.get<std::string>("role"), row.get<long long>("created"), row.get<long long>("expires"),
             row.get<long long>("used")};
  }
  static void to_base(const Token&, values&, indicator&) {}  // written field by field below
};
}  // namespace soci

namespace envgate::control::store {
namespace {

using soci::into;
using soci::use;

std::optional<Token> find_by(Transaction& t, const std::string& column, const std::string& value) {
  Token token;
  t.sql << "SELECT * FROM tokens WHERE " + column + " = :v", use(value), into(token);
  if (!t.sql.got_data()) return std::nullopt;
  return token;
}

}  // namespace

void insert_token(Transaction& t, const Token& token) {
  t.sql << "INSERT INTO tokens (id, name, hash, role, created, expires, used)"
           " VALUES (:i, :n, :h, :r, :c, :e, :u)",
      use(token.id), use(token.name), use(token.hash), use(token.role), use(token.created),
      use(token.expires), use(token.used);
}

bool remove_token(Transaction& t, const std::string& id) {
  soci::statement gone = (t.sql.prepare << "DELETE FROM tokens WHERE id = :i", use(id));
  gone.execute(true);
  return gone.get_affected_rows() > 0;
}

std::optional<Token> find_token(Transaction& t, const std::string& id) { return find_by(t, "id", id); }

std::optional<Token> token_by_hash(Transaction& t, const std::string& hash) {
  return find_by(t, "hash", hash);
}

void note_token_use(Transaction& t, const std::string& id, long long at) {
  t.sql << "UPDATE tokens SET used = :u WHERE id = :i", use(at), use(id);
}

std::vector<Token> list_tokens(Transaction& t) {
  Token token;
  soci::statement rows = (t.sql.prepare << "SELECT * FROM tokens ORDER BY created, id", into(token));
  return fetch_all(rows, token);
}

}  // namespace envgate::control::store
