// envgate-control's REST API as the commands use it (control/api/README.md): a call gives an answer's JSON,
// or a Refusal, which is what is printed and how envctl ends. What is safe to repeat is repeated when a
// connection breaks off, such as while control restarts. Thread: main's; it blocks.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "control/cli/arguments.hpp"
#include "control/cli/exit_code.hpp"
#include "control/cli/http_client.hpp"
#include "control/cli/terminal.hpp"

namespace envgate::cli {

using Json = nlohmann::ordered_json;  // as it came is how it is printed again

struct Refusal {
  std::string message;
  ExitCode code = kFailed;
  bool no_answer = false;  // control did not refuse: it could not be reached, or its answer was lost
};
template <typename T>
using Asked = tl::expected<T, Refusal>;
inline tl::unexpected<Refusal> refuse(std::string message, ExitCode code = kFailed) {
  return tl::unexpected(Refusal{std::move(message), code, false});
}

inline constexpr Option kControlSocket{"--socket", 's', "PATH",
                                       "control's socket (default: $ENVGATE_CONTROL_SOCKET,\n"
                                       "                            else /run/envgate/control.sock)"};
inline constexpr Option kTimeout{"--timeout", 0, "SECONDS",
                                 "give up on an answer after so long (default: 60)"};

std::string control_socket(const Invocation& call);

// What an answer from 400 on says: its code and detail, each wrong field, the request's id.
Refusal refusal_of(const HttpAnswer& answer);
Refusal refusal_of(const HttpFailure& failure);

struct Change {
  std::string method = "POST", target;
  std::string body = {};
  std::string content_type = "application/json";
  std::string if_match = {};
  std::string key = {};  // of idempotency; empty: a random one, for a POST
};

class ControlClient {
 public:
  // Errors: --timeout is no number.
  static Asked<ControlClient> of(const Invocation& call);
  ControlClient(std::string socket, std::chrono::milliseconds patience)
      : socket_(std::move(socket)), patience_(patience) {}

  Asked<HttpAnswer> ask(const HttpRequest& request) const;
  Asked<Json> get(const std::string& target) const;
  Asked<Json> change(const Change& change) const;  // null where the answer has no body
  // Every page of a list, at most `limit` entries, as one {"<member>": [...]}. `target` has its filters, if
  // any.
  Asked<Json> list(const std::string& target, const std::string& member, std::size_t limit = SIZE_MAX) const;

  HttpRequest request(std::string method, std::string target) const;
  const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  std::chrono::milliseconds patience_;
};

Asked<Json> json_of(const HttpAnswer& answer);

// A whole number from `least` on. Errors: misuse, with the option's name.
Asked<std::size_t> whole_number(const Invocation& call, std::string_view option, std::size_t fallback,
                                std::size_t least = 1);

}  // namespace envgate::cli
