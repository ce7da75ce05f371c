// What handlers share: a body's JSON, pages, and running a transaction whose refusal becomes a problem.
// Includes nlohmann: for .cpp files only.
#pragma once

#include <nlohmann/json.hpp>

#include "control/api/context.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/views.hpp"

namespace envgate::control::api {

using nlohmann::json;

// An empty body is an empty object.
Answer<json> body_of(const Request& request);
Asked asked_of(const Request& request);
// 202, and what Prefer asks for.
Response accepted(Context& context, const Request& request, const Answer<Accepted>& done);

struct Paging {
  store::PageRequest page;
  std::string sort = "created_at";
};
// limit, cursor and sort, of which one of `sorts`; other parameters must be among `filters`.
Answer<Paging> paging_of(const Request& request, std::initializer_list<std::string_view> sorts,
                         std::initializer_list<std::string_view> filters);
std::string cursor_of(const std::string& key, const std::string& id);

template <typename F>
auto read(Context& context, F f) {
  auto result = context.database.read(std::move(f));
  using Value = typename decltype(result)::value_type;
  return result ? Answer<Value>(std::move(*result))
                : Answer<Value>(tl::unexpected(problem_of(result.error())));
}
template <typename F>
auto write(Context& context, F f) {
  auto result = context.database.transaction(std::move(f));
  using Value = typename decltype(result)::value_type;
  if (result) context.committed();
  return result ? Answer<Value>(std::move(*result))
                : Answer<Value>(tl::unexpected(problem_of(result.error())));
}

inline Response not_found(const Request& request, const std::string& what) {
  return problem_response({404, "not_found", "there is no " + what, {}}, request);
}

}  // namespace envgate::control::api
