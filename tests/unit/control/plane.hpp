// A control plane in one process for tests: a database of its own (SQLite or PostgreSQL), a key, a fake
// backend as "docker/local", the lifecycle, and a reconciler where a test starts it.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/lifecycle/lifecycle.hpp"
#include "control/reconcile/reconciler.hpp"
#include "control/store/audit.hpp"
#include "control/store/changes.hpp"
#include "tests/unit/control/fake_backend.hpp"
#include "tests/unit/control/postgres_server.hpp"

namespace envgate::test {

using control::Accepted;
using control::Answer;
using control::store::Database;
using control::store::Environment;
using control::store::Transaction;
using nlohmann::json;

class Plane : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string url = "sqlite:" + folder_.path() + "/control.db";
    if (GetParam() == std::string("postgres")) {
      if (!PostgresServer::present())
        GTEST_SKIP() << "PostgreSQL's initdb is not installed, or this is not root";
      server_ = std::make_unique<PostgresServer>(folder_.path());
      url = server_->url();
      ASSERT_FALSE(url.empty()) << "PostgreSQL did not start";
    }
    settings.control.ports.probe = false;
    settings.control.reconcile.reach = Duration(0);  // nothing listens at a fake's addresses
    settings.control.reconcile.resync = std::chrono::milliseconds(100);
    settings.control.reconcile.retry_first = std::chrono::milliseconds(10);
    settings.control.reconcile.retry_most = std::chrono::milliseconds(50);
    Database::Options options;
    options.sessions = 12;
    auto opened = Database::open(url, options);
    ASSERT_TRUE(opened) << opened.error().message;
    database.emplace(std::move(*opened));
    box.emplace(control::secrets::SecretBox::open(folder_.path() + "/key", true).value());
    backend = std::make_shared<FakeBackend>();
    engines.add({"docker/local", backend, 4, std::chrono::seconds(10), std::chrono::seconds(1)});
    lifecycle.emplace(*database, *box, settings, engines, [this](const Environment& e) {
      if (reconciler) reconciler->nudge(e.id, "docker/local");
    });
    allow("ada", 100);
  }
  void TearDown() override { reconciler.reset(); }

  void start_reconciler() {
    reconciler.emplace(*database, *box, settings, engines, [] {});
    ASSERT_TRUE(reconciler->start());
  }
  void allow(const std::string& owner, long long environments, long long gpus = 1000) {
    ASSERT_TRUE(database->transaction([&](Transaction& t) -> Result<void> {
      control::store::set_quota(t, owner, {{1'000'000, 1LL << 50, gpus, 1LL << 50}, environments});
      return {};
    }));
  }
  static json body(const char* name = "n") {
    return {{"name", name},
            {"owner", "ada"},
            {"spec",
             {{"image", "i"}, {"cpu", 1}, {"memory", "1GiB"}, {"gpu", {{"count", 1}}}, {"storage", "1GiB"}}}};
  }
  Answer<Accepted> create(const json& wanted) {
    return lifecycle->create(wanted, {"test", "", "", ""}, false);
  }
  static std::string told(const control::Problem& problem) {
    std::string all = problem.detail;
    for (const auto& field : problem.errors) all += "; " + field.pointer + " " + field.message;
    return all;
  }
  std::string created(const json& wanted) {
    const auto done = create(wanted);
    EXPECT_TRUE(done) << (done ? "" : told(done.error()));
    return done ? done->environment.id : "";
  }
  Environment row(const std::string& id) const {
    return database
        ->read([&](Transaction& t) -> Result<std::optional<Environment>> {
          return control::store::find_environment(t, id);
        })
        .value()
        .value_or(Environment{});
  }
  control::store::Operation operation(const std::string& id) const {
    return database
        ->read([&](Transaction& t) -> Result<std::optional<control::store::Operation>> {
          return control::store::find_operation(t, id);
        })
        .value()
        .value();
  }
  // Until it holds, or half a minute has passed.
  template <typename F>
  static bool eventually(F holds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  bool becomes(const std::string& id, control::store::State state) const {
    return eventually([&] { return row(id).state == state; });
  }

  TemporaryFolder folder_;
  std::unique_ptr<PostgresServer> server_;
  control::ControlSettings settings;
  mutable std::optional<Database> database;
  std::optional<control::secrets::SecretBox> box;
  std::shared_ptr<FakeBackend> backend;
  control::Engines engines;
  std::optional<control::Lifecycle> lifecycle;
  std::optional<control::Reconciler> reconciler;
};

}  // namespace envgate::test
