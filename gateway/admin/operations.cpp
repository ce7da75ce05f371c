#include "gateway/admin/operations.hpp"

#include <ctime>

namespace envgate::admin {

using http::Method;

std::span<const Operation> operations() {
  static constexpr Operation kTable[] = {
      {Method::get, "/healthz", Right::open, get_health},
      {Method::get, "/readyz", Right::open, get_ready},
      {Method::get, "/metrics", Right::open, get_metrics},
      {Method::get, "/status", Right::read, get_status},
      {Method::get, "/routes", Right::read, get_routes},
      {Method::get, "/routes/{env}", Right::read, get_route},
      {Method::get, "/sessions", Right::read, get_sessions},
      {Method::delete_, "/sessions/{id}", Right::change, delete_session},
      {Method::get, "/api/sessions", Right::read, get_records},
      {Method::get, "/api/sessions/{id}", Right::read, get_record},
      {Method::delete_, "/api/sessions/{id}", Right::change, delete_record},
      {Method::get, "/api/sessions/{id}/files/{name}", Right::read, get_record_file},
      {Method::get, "/api/sessions/{id}/watch", Right::read, watch_record},
      {Method::get, "/ssh-keys", Right::read, get_ssh_keys},
      {Method::get, "/ssh-keys/{env}", Right::read, get_ssh_keys_of},
      {Method::get, "/settings", Right::read, get_settings},
      {Method::get, "/settings/{key}", Right::read, get_setting},
      {Method::put, "/settings/{key}", Right::change, put_setting},
      {Method::delete_, "/settings/{key}", Right::change, delete_setting},
      {Method::post, "/reload", Right::change, post_reload},
      {Method::post, "/drain", Right::change, post_drain},
  };
  return kTable;
}

std::string timestamp(std::chrono::system_clock::time_point time) {
  char text[40];
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm utc{};
  gmtime_r(&seconds, &utc);
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace envgate::admin
