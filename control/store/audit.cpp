#include "control/store/audit.hpp"

#include <sodium.h>

#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

using soci::into;
using soci::use;

// Every part with its length before it, so that no two lines have the same text.
std::string hash_line(const std::string& previous, long long seq, long long at, const AuditLine& line) {
  std::string text;
  for (const std::string& part : {previous, std::to_string(seq), std::to_string(at), line.who, line.action,
                                  line.object, line.before, line.after, line.result})
    text += std::to_string(part.size()) + ':' + part;
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  char hex[2 * sizeof digest + 1];
  return sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
}

}  // namespace

void append_audit(Transaction& t, const AuditLine& line) {
  long long seq = 0;
  const long long at = now_ms();
  std::string previous;
  t.sql << "SELECT audit_seq, audit_hash FROM head WHERE id = 1", into(seq), into(previous);
  const std::string hash = hash_line(previous, ++seq, at, line);
  t.sql << "INSERT INTO audit VALUES (:s, :t, :w, :a, :o, :b, :f, :r, :h)", use(seq), use(at), use(line.who),
      use(line.action), use(line.object), use(line.before), use(line.after), use(line.result), use(hash);
  t.sql << "UPDATE head SET audit_seq = :s, audit_hash = :h WHERE id = 1", use(seq), use(hash);
}

std::vector<AuditEntry> list_audit(Transaction& t, const AuditFilter& f, long long after, bool descending,
                                   std::size_t limit) {
  const int any_who = f.who.empty(), any_action = f.action.empty(), any_object = f.object.empty(),
            from_start = after == 0;
  AuditEntry e;
  soci::statement rows =
      (t.sql.prepare << std::string("SELECT seq, at, who, action, object, before_state, after_state, result,"
                                    " hash FROM audit WHERE (:fs = 1 OR seq ") +
                            (descending ? "<" : ">") +
                            " :s) AND (:aw = 1 OR who = :w) AND (:aa = 1 OR action = :a)"
                            " AND (:ao = 1 OR object = :o) ORDER BY seq" +
                            (descending ? " DESC" : "") + " LIMIT " + std::to_string(limit),
       use(from_start), use(after), use(any_who), use(f.who), use(any_action), use(f.action), use(any_object),
       use(f.object), into(e.seq), into(e.at), into(e.line.who), into(e.line.action), into(e.line.object),
       into(e.line.before), into(e.line.after), into(e.line.result), into(e.hash));
  return fetch_all(rows, e);
}

AuditHead audit_head(Transaction& t) {
  AuditHead head;
  t.sql << "SELECT audit_seq, audit_hash FROM head WHERE id = 1", into(head.seq), into(head.hash);
  return head;
}

Result<void> verify_audit(Transaction& t) {
  std::string previous, hash, head_hash;
  long long expected = 0, seq = 0, at = 0, head_seq = 0;
  AuditLine line;
  soci::statement lines =
      (t.sql.prepare << "SELECT seq, at, who, action, object, before_state, after_state, result, hash"
                        " FROM audit ORDER BY seq",
       into(seq), into(at), into(line.who), into(line.action), into(line.object), into(line.before),
       into(line.after), into(line.result), into(hash));
  lines.execute();
  while (lines.fetch()) {
    if (seq != ++expected || hash != hash_line(previous, seq, at, line))
      return fail("audit: line " + std::to_string(expected) + " does not fit the chain");
    previous = hash;
  }
  t.sql << "SELECT audit_seq, audit_hash FROM head WHERE id = 1", into(head_seq), into(head_hash);
  if (head_seq != expected || head_hash != previous)
    return fail("audit: line " + std::to_string(expected + 1) + " is missing");
  return {};
}

}  // namespace envgate::control::store
