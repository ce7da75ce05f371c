// Every call of the admin API, in one table: method, path, right, handler. The handlers stand in
// operations_*.cpp, by subject. Thread: the admin thread's. A handler may wait for workers (ask_workers),
// never for a client.
#pragma once

#include <chrono>
#include <span>

#include "gateway/admin/dispatch.hpp"

namespace envgate::admin {

std::span<const Operation> operations();

// operations_health.cpp
Response get_health(Context& context, const Request& request);
Response get_ready(Context& context, const Request& request);
Response get_metrics(Context& context, const Request& request);
Response get_status(Context& context, const Request& request);

// operations_routes.cpp
Response get_routes(Context& context, const Request& request);
Response get_route(Context& context, const Request& request);

// operations_sessions.cpp
Response get_sessions(Context& context, const Request& request);
Response delete_session(Context& context, const Request& request);
Response post_drain(Context& context, const Request& request);

// operations_records.cpp, record_watch.cpp
Response get_records(Context& context, const Request& request);
Response get_record(Context& context, const Request& request);
Response get_record_file(Context& context, const Request& request);
Response delete_record(Context& context, const Request& request);
Response watch_record(Context& context, const Request& request);

// operations_ssh_keys.cpp
Response get_ssh_keys(Context& context, const Request& request);
Response get_ssh_keys_of(Context& context, const Request& request);

// operations_settings.cpp
Response get_settings(Context& context, const Request& request);
Response get_setting(Context& context, const Request& request);
Response put_setting(Context& context, const Request& request);
Response delete_setting(Context& context, const Request& request);
Response post_reload(Context& context, const Request& request);

// "2026-02-02T10:30:00Z"
std::string timestamp(std::chrono::system_clock::time_point time);

inline constexpr std::uint64_t kDefaultPage = 1000, kLargestPage = 10'000;  // entries of a listing

}  // namespace envgate::admin
