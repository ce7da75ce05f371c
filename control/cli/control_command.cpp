#include "control/cli/control_command.hpp"

#include <nlohmann/json.hpp>

namespace envgate::cli {

std::string filters_of(const Invocation& call, std::initializer_list<std::string_view> options) {
  std::string query;
  for (const std::string_view option : options) {
    if (!call.has(option)) continue;
    query.append(query.empty() ? "?" : "&").append(option.substr(2)).append("=");
    query.append(encode_segment(call.value(option)));
  }
  return query;
}

Asked<void> list_and_print(const Invocation& call, const ControlClient& client, const std::string& target,
                           const ListShape& shape) {
  const auto limit = whole_number(call, "--limit", SIZE_MAX);
  if (!limit) return tl::unexpected(limit.error());
  const auto list = client.list(target, shape.member, *limit);
  if (!list) return tl::unexpected(list.error());
  return print_list(call, *list, shape);
}

}  // namespace envgate::cli
