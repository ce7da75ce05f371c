// From a request to the handler that answers it: a table of operations, each with the right that it needs.
// What is not in the table does not exist; nothing else decides who may do what. Thread: any; tables are
// constant.
#pragma once

#include <span>
#include <string_view>

#include "gateway/admin/message.hpp"

namespace envgate::admin {

struct Context;

enum class Right : std::uint8_t {
  open,    // also over metrics.bind, to anybody who can connect
  read,    // over the Unix socket: root, our own account, and the socket's group
  change,  // as read, and every call is logged with who made it
};

struct Operation {
  http::Method method;
  std::string_view path;  // "/routes/{env}": {...} stands for one segment that is not empty
  Right right;
  Response (*handle)(Context& context, const Request& request);
};

// The operation for a request, which gets its `name`; or the answer for there being none: 404, 405 with what
// is allowed there, 403 where the caller may not. HEAD is served as GET.
Wanted<const Operation*> find_operation(std::span<const Operation> table, Request& request);

}  // namespace envgate::admin
