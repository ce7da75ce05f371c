// The control plane's database: SQLite (`sqlite:PATH`) for one machine, PostgreSQL (`postgres://...`) for
// several controllers, with one schema and one set of functions. A small pool of sessions behind two doors:
// `transaction`, which may write, and `read`.
// One writer at a time on both: BEGIN IMMEDIATE on SQLite; on PostgreSQL one advisory lock, held to the end.
// So quotas cannot be passed, and outbox and audit numbers become visible in their order. Readers wait for
// nobody: each sees the state of one moment (WAL; REPEATABLE READ).
// Thread: any, at once; a call waits for a free session, a writer first for its turn among this process's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.hpp"

namespace soci {
class session;
}

namespace envgate::control::store {

// What a caller tells apart, in `Error::code`; never an errno, since those are positive.
enum Refusal : int {
  kQuotaExceeded = -1,
  kPortsExhausted = -2,
  kNotFound = -3,
  kConflict = -4,
  kPrecondition = -5,
  kInvalid = -6,
  kNoMachine = -7,
  kNoNode = -8,
};

// An open transaction, valid only inside the function given to `Database::transaction`.
class Transaction;

// Whose writes come first where several wait: those that a caller waits for.
enum class Priority : std::uint8_t { request, background };

class Database {
 public:
  struct Options {
    std::size_t sessions = 4;  // of readers; writers share one more
    int attempts = 8;  // of one transaction, on busy or a serialization failure
    std::chrono::seconds busy_timeout{10};
  };

  // Opens, and brings the schema to this program's version. Errors: with the remedy; also where the database
  // is newer than this program.
  static Result<Database> open(const std::string& url, Options options);
  static Result<Database> open(const std::string& url) { return open(url, Options{}); }
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  // Runs `f(Transaction&) -> Result<T>` and commits; a failure or exception of `f` rolls everything back.
  // `f` may run more than once, so it must change nothing but the database.
  template <typename F>
  auto transaction(F f, Priority priority = Priority::request) -> std::invoke_result_t<F&, Transaction&> {
    return run_typed(Access::write, priority, f);
  }

  // The same for an `f` that only reads. A write in it is an error of the database's.
  template <typename F>
  auto read(F f) -> std::invoke_result_t<F&, Transaction&> {
    return run_typed(Access::read, Priority::request, f);
  }

 private:
  struct Pool;
  struct Turn;
  enum class Access { read, write };
  explicit Database(std::unique_ptr<Pool> pool);
  void begin(soci::session& session, Access access) const;
  Result<void> run(Access access, Priority priority, const std::function<Result<void>(Transaction&)>& f);

  template <typename F>
  auto run_typed(Access access, Priority priority, F& f) -> std::invoke_result_t<F&, Transaction&> {
    std::optional<std::invoke_result_t<F&, Transaction&>> outcome;
    auto ended = run(access, priority, [&](Transaction& t) -> Result<void> {
      outcome.emplace(f(t));
      if (!*outcome) return Failure(outcome->error());
      return {};
    });
    if (!ended) return Failure(ended.error());
    return std::move(*outcome);
  }
  std::unique_ptr<Pool> pool_;
};

}  // namespace envgate::control::store
