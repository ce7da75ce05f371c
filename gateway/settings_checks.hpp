// What single values of the gateway's settings must look like, beyond their type: each gives the reason of a
// refusal, which completes "'VALUE' ...", or empty. And the rules between keys. Used by the schema alone.
#pragma once

#include <string>

#include "base/settings_schema.hpp"
#include "gateway/settings.hpp"

namespace envgate::gateway {

std::string check_domain(const std::string& name);         // a lower-case DNS name (RFC 1123 section 2.1)
std::string check_account(const std::string& name);        // a user or group name, or empty
std::string check_path(const std::string& path);           // not empty
std::string check_socket(const std::string& path);         // short enough for sockaddr_un, or empty
std::string check_needed_socket(const std::string& path);  // the same, and not empty
std::string check_redis_url(const std::string& url);       // never repeats the URL: it may hold a password

void check_listeners(const GatewaySettings& s, const settings::Complain& complain);
void check_certificates(const GatewaySettings& s, const settings::Complain& complain);
void check_routes(const GatewaySettings& s, const settings::Complain& complain);
void check_http_limits(const GatewaySettings& s, const settings::Complain& complain);
void check_records(const GatewaySettings& s, const settings::Complain& complain);

}  // namespace envgate::gateway
