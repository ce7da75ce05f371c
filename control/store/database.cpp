#include "control/store/database.hpp"

#include <fcntl.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr long long kWriterLock = 0x656e7667617465;  // any constant: "envgate"

bool connection_lost(const std::exception& error) {
  auto* pg = dynamic_cast<const soci::postgresql_soci_error*>(&error);
  if (!pg) return false;
  // Class 08, "connection exception", and 57P0x, "shut down"; libpq itself gives no state at all, or SOCI
  // five spaces, when the socket is gone.
  const std::string state = pg->sqlstate();
  return pg->get_error_category() == soci::soci_error::connection_error || state.starts_with("08") ||
         state.starts_with("57P0") || state.find_first_not_of(" ") == std::string::npos;
}

// Only what concerns the connection has a remedy to tell: a statement that fails is a mistake of ours.
Error explain(const std::string& url, bool postgres, const std::exception& error) {
  std::string what = error.what();
  while (!what.empty() && what.back() == '\n') what.pop_back();
  if (auto* lite = dynamic_cast<const soci::sqlite3_soci_error*>(&error)) {
    const int result = lite->result() & 0xff;
    if (result == SQLITE_CANTOPEN || result == SQLITE_READONLY || result == SQLITE_PERM)
      what += "; check that its folder exists and that this user may write there";
    if (result == SQLITE_FULL) what += "; make room on its disk";
    if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB) what += "; bring it back from its backup";
  }
  if (!postgres) return {"database " + url + ": " + what};
  if (auto* pg = dynamic_cast<const soci::postgresql_soci_error*>(&error);
      pg && !pg->sqlstate().empty() && !connection_lost(error))
    return Error{"database (PostgreSQL): " + what};
  std::string remedy = "check control.store";
  if (what.find("password") != std::string::npos)
    remedy = "check user and password in control.store";
  else if (what.find("does not exist") != std::string::npos)
    remedy = "create the database and its user first";
  else if (what.find("connect") != std::string::npos)
    remedy = "check that the server runs and is reachable";
  return {"database (PostgreSQL): " + what + "; " + remedy};  // the address may hold a password: not told
}

bool worth_repeating(const std::exception& error) {
  if (auto* lite = dynamic_cast<const soci::sqlite3_soci_error*>(&error))
    return (lite->result() & 0xff) == SQLITE_BUSY || (lite->result() & 0xff) == SQLITE_LOCKED;
  if (auto* pg = dynamic_cast<const soci::postgresql_soci_error*>(&error))
    return pg->sqlstate() == "40001" || pg->sqlstate() == "40P01" || connection_lost(error);
  return false;
}

void pause_before(int attempt) {
  const std::uint32_t most = 5u << std::min(attempt, 7);
  std::this_thread::sleep_for(std::chrono::milliseconds(1 + randombytes_uniform(most)));
}

// The writers of this process, in their order, those that somebody waits for before the others. The
// databases' own locks know no order, SQLite's sleeps between its attempts, and one that waited there would
// hold a session that readers need.
class WritersTurn {
 public:
  void take(Priority priority) {
    std::unique_lock lock(mutex_);
    if (!taken_) {
      taken_ = true;
      return;
    }
    Waiter waiter;
    waiting_[static_cast<std::size_t>(priority)].push_back(&waiter);
    waiter.changed.wait(lock, [&] { return waiter.has_it; });
  }
  void give_back() {
    const std::lock_guard lock(mutex_);
    auto& [requests, background] = waiting_;
    if (requests.empty() && background.empty()) {
      taken_ = false;
      return;
    }
    const bool request = !requests.empty() && (background.empty() || in_a_row_ < kMostInARow);
    in_a_row_ = request ? in_a_row_ + 1 : 0;
    auto& queue = request ? requests : background;
    Waiter& next = *queue.front();
    queue.pop_front();
    next.has_it = true;
    next.changed.notify_one();
  }

 private:
  static constexpr int kMostInARow = 4;  // requests, while a pass waits: its work must go on, too
  struct Waiter {
    std::condition_variable changed;
    bool has_it = false;
  };
  std::mutex mutex_;
  std::array<std::deque<Waiter*>, 2> waiting_;
  bool taken_ = false;
  int in_a_row_ = 0;
};

// Moves what SQLite's write-ahead log holds into the database, beside the writers: done within a commit, as
// is its habit, it makes every hundredth change ten times as slow. Should this one fall behind, the habit is
// back.
class Checkpoints {
 public:
  static constexpr int kMostPages = 16'000;  // of the log, 64 MiB

  explicit Checkpoints(const std::string& parameters)
      : thread_([this, parameters](std::stop_token stop) {
          try {
            soci::session session(soci::sqlite3, parameters);
            run(session, stop);
          } catch (const std::exception&) {
            // A disk that is full, or an error that the writers meet as well, and tell.
          }
        }) {}
  void written() {
    {
      const std::lock_guard lock(mutex_);
      written_ = true;
    }
    changed_.notify_one();
  }

 private:
  static constexpr std::chrono::milliseconds kApart{500};
  void run(soci::session& session, const std::stop_token& stop) {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return written_; })) return;
        changed_.wait_for(lock, stop, kApart, [] { return false; });
        written_ = false;
      }
      session << "PRAGMA wal_checkpoint(PASSIVE)";
    }
  }
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool written_ = false;
  std::jthread thread_;
};

}  // namespace

struct Database::Pool {
  Pool(std::string address, std::size_t size, Options how, bool pg)
      : sessions(size), url(std::move(address)), options(how), postgres(pg) {}
  soci::connection_pool sessions;  // for readers
  // One for all writers, who come one by one: SQLite drops what a session has cached when another has
  // written.
  soci::session writer;
  WritersTurn writers;
  std::optional<Checkpoints> checkpoints;  // of SQLite
  std::string url;
  Options options;
  bool postgres;
};

Database::Database(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& url, Options options) {
  const bool postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
  if (!postgres && !url.starts_with(kSqlite))
    return fail("control.store: neither sqlite:PATH nor postgres://USER@HOST/DATABASE");
  if (sodium_init() < 0) return fail("libsodium does not start");
  const std::string path = postgres ? "" : url.substr(kSqlite.size());
  if (!postgres && (path.empty() || path.find('"') != std::string::npos))
    return fail("control.store: sqlite: needs a path, without quotation marks");
  if (!postgres) {
    // Its owner's alone: it holds sealed secrets, and who did what. SQLite by itself would ask the umask.
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return fail_errno("database " + url + " (its folder must be there, and writable)", errno);
    ::close(file);
  }
  auto pool = std::make_unique<Pool>(url, options.sessions, options, postgres);
  const std::string parameters =
      "db=\"" + path + "\" timeout=" + std::to_string(options.busy_timeout.count());
  try {
    for (std::size_t i = 0; i <= options.sessions; ++i) {
      const bool writes = i == options.sessions;
      soci::session& session = writes ? pool->writer : pool->sessions.at(i);
      if (postgres) {
        session.open(soci::postgresql, url);
        continue;
      }
      session.open(soci::sqlite3, parameters);
      std::string mode;
      session << "PRAGMA journal_mode=WAL", soci::into(mode);
      if (mode != "wal")
        return fail("database " + url + ": no write-ahead log there (" + mode + "); use a local file system");
      session << "PRAGMA synchronous=FULL";
      session << "PRAGMA foreign_keys=ON";
      session << "PRAGMA wal_autocheckpoint=" + std::to_string(Checkpoints::kMostPages);
      // SQLite has no read-only transaction, but sessions that are.
      session << (writes ? "PRAGMA cache_size=-32768" : "PRAGMA query_only=ON");  // KiB
    }
    if (!postgres) pool->checkpoints.emplace(parameters);
  } catch (const std::exception& error) {
    return Failure(explain(url, postgres, error));
  }
  Database database(std::move(pool));
  auto migrated = database.run(Access::write, Priority::request, [](Transaction& t) { return migrate(t); });
  if (!migrated) return Failure(migrated.error());
  return database;
}

void Database::begin(soci::session& session, Access access) const {
  if (!pool_->postgres) {
    session << (access == Access::read ? "BEGIN" : "BEGIN IMMEDIATE");
  } else if (access == Access::read) {
    session << "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  } else {
    session << "BEGIN ISOLATION LEVEL READ COMMITTED";
    // The one writer's lock; not a row's, since the first migration has no row yet.
    session << "SELECT pg_advisory_xact_lock(" + std::to_string(kWriterLock) + ")";
  }
}

// The turn of a writer; a reader needs none.
struct Database::Turn {
  Turn(WritersTurn* of, Priority priority) : writers(of) {
    if (writers) writers->take(priority);
  }
  ~Turn() {
    if (writers) writers->give_back();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  WritersTurn* const writers;
};

Result<void> Database::run(Access access, Priority priority,
                           const std::function<Result<void>(Transaction&)>& f) {
  for (int attempt = 1;; ++attempt) {
    if (attempt > 1) pause_before(attempt - 1);
    const Turn turn(access == Access::write ? &pool_->writers : nullptr, priority);
    std::optional<soci::session> leased;
    if (access == Access::read) leased.emplace(pool_->sessions);
    soci::session& session = leased ? *leased : pool_->writer;
    try {
      begin(session, access);
      Transaction t(session);
      auto done = f(t);
      session << (done ? "COMMIT" : "ROLLBACK");
      if (access == Access::write && pool_->checkpoints) pool_->checkpoints->written();
      return done;
    } catch (const std::exception& error) {
      const bool again = worth_repeating(error) && attempt < pool_->options.attempts;
      Error told = explain(pool_->url, pool_->postgres, error);
      try {
        if (connection_lost(error))
          session.reconnect();
        else
          session << "ROLLBACK";
      } catch (const std::exception&) {
        // Nothing was begun, SQLite has rolled back itself, or the server is still away.
      }
      if (!again) return Failure(told);
    }
  }
}

long long now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace envgate::control::store
