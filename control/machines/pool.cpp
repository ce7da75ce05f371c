#include "control/machines/pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/log.hpp"
#include "control/store/changes.hpp"
#include "control/store/now.hpp"

namespace envgate::control {
namespace {

using backends::physical::Facts;
using backends::physical::Host;
using backends::physical::Machine;
using nlohmann::json;
using store::PoolMachine;
using store::Transaction;

constexpr std::chrono::seconds kLook{30};  // the longest look at one machine

}  // namespace

Result<Machine> machine_of_row(const PoolMachine& row) {
  Machine machine;
  machine.name = row.name;
  const auto address = IpAddress::parse(row.address);
  if (!address) return fail("address: " + address.error().message);
  machine.address = *address;
  machine.ssh_port = static_cast<std::uint16_t>(row.ssh_port);
  machine.admin_user = row.admin_user;
  machine.admin_key = row.admin_key;
  const json keys = json::parse(row.host_keys, nullptr, false);
  for (const json& key : keys) machine.host_keys.push_back(key.get<std::string>());
  if (auto good = backends::physical::check(machine); !good) return Failure(good.error());
  return machine;
}

backends::physical::Pool pool_of(store::Database& database) {
  backends::physical::Pool pool;
  pool.held_by = [&database](const backends::EnvId& id) -> std::optional<Machine> {
    const auto row = database.read(
        [&](Transaction& t) -> Result<std::optional<PoolMachine>> { return store::machine_of(t, id.str()); });
    if (!row || !*row) return std::nullopt;
    auto machine = machine_of_row(**row);
    if (!machine) log::error("machine_bad").text("machine", (*row)->name).error(machine.error());
    return machine ? std::optional(std::move(*machine)) : std::nullopt;
  };
  pool.all_held = [&database] {
    std::vector<std::pair<backends::EnvId, Machine>> all;
    const auto rows = database.read(
        [&](Transaction& t) -> Result<std::vector<PoolMachine>> { return store::list_machines(t, ""); });
    if (!rows) return all;
    for (const PoolMachine& row : *rows) {
      const auto id = backends::EnvId::parse(row.environment);
      auto machine = id ? machine_of_row(row) : fail("it is free");
      if (machine) all.emplace_back(*id, std::move(*machine));
    }
    return all;
  };
  return pool;
}

MachineWatch::MachineWatch(store::Database& database, const ControlSettings& settings,
                           backends::physical::Settings physical, std::function<void()> committed)
    : database_(database),
      settings_(settings),
      physical_(std::move(physical)),
      committed_(std::move(committed)) {}

void MachineWatch::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

void MachineWatch::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Result<std::pair<PoolMachine, Facts>> MachineWatch::look(const std::string& name,
                                                         const std::stop_token& stop) {
  const auto row = database_.read(
      [&](Transaction& t) -> Result<std::optional<PoolMachine>> { return store::find_machine(t, name); });
  if (!row) return Failure(row.error());
  if (!*row) return fail("there is no machine " + name, store::kNotFound);
  Facts facts;
  const auto machine = machine_of_row(**row);
  if (!machine) {
    facts.reason = machine.error().message;
  } else {
    backends::Call call = backends::Call::within(kLook);
    call.cancel = stop;
    const auto seen = Host(physical_, *machine).check(call);
    if (seen)
      facts = *seen;
    else if (seen.error().cause == backends::Cause::cancelled)
      return fail("ended before it answered");
    else
      facts.reason = seen.error().message;  // another host key, or our key is refused
  }
  auto noted = database_.transaction([&](Transaction& t) -> Result<PoolMachine> {
    auto now = store::find_machine(t, name);
    if (!now) return fail("there is no machine " + name, store::kNotFound);
    // One that is on its way back has its sessions ended, and the look's with them.
    const bool returning = now->state == store::MachineState::draining ||
                           now->state == store::MachineState::cleaning ||
                           now->state == store::MachineState::verifying;
    if (!facts.reachable && (returning || now->state != (*row)->state)) return std::move(*now);
    const bool changed = now->reachable != facts.reachable;
    now->reachable = facts.reachable;
    now->checked = store::now_ms();
    const bool free =
        now->state == store::MachineState::available || now->state == store::MachineState::allocated;
    if (free) now->reason = facts.reason;  // of the others it says why they are not in the pool
    store::update_machine(t, *now);
    if (changed)
      store::append_event(
          t, now->environment, "machine_reachable",
          json{{"machine", name}, {"reachable", facts.reachable}, {"reason", facts.reason}}.dump(
              -1, ' ', false, json::error_handler_t::replace));
    return std::move(*now);
  });
  if (!noted) return Failure(noted.error());
  {
    const std::lock_guard lock(mutex_);
    last_[name] = facts;
  }
  committed_();
  return std::pair(std::move(*noted), std::move(facts));
}

std::map<std::string, Facts> MachineWatch::last_facts() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

void MachineWatch::forget_others(const std::vector<PoolMachine>& there) {
  const std::lock_guard lock(mutex_);
  std::erase_if(last_, [&](const auto& entry) {
    return std::none_of(there.begin(), there.end(),
                        [&](const PoolMachine& machine) { return machine.name == entry.first; });
  });
}

void MachineWatch::watch(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  while (!stop.stop_requested()) {
    const auto rows = database_.read(
        [&](Transaction& t) -> Result<std::vector<PoolMachine>> { return store::list_machines(t, ""); });
    if (rows) forget_others(*rows);
    if (rows && !rows->empty()) {
      std::atomic<std::size_t> next = 0;
      std::vector<std::jthread> lookers;
      for (std::size_t i = 0; i < std::min<std::size_t>(rows->size(), settings_.control.physical.concurrency);
           ++i)
        lookers.emplace_back([&] {
          for (std::size_t at; (at = next++) < rows->size() && !stop.stop_requested();)
            (void)look((*rows)[at].name, stop);
        });
    }
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, settings_.control.physical.check, [] { return false; });
  }
}

}  // namespace envgate::control
