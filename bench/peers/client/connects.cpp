// connects: port host path bytes count threads resume=0|1
//
// A TLS connection, one GET and the end, `count` times. With resume=1 each but a thread's first resumes a
// session; one that does not is an error.
#include <atomic>
#include <cstdio>

#include "http.hpp"
#include "modes.hpp"
#include "threads.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

struct Plan {
  std::uint16_t port;
  std::string host, request;
  std::size_t bytes;
  bool resume;
};

// Leaves in `ticket` what the next connection can resume with; was this one resumed?
bool connect_once(SSL_CTX* context, const Plan& plan, Ticket& ticket) {
  Tls tls(context, plan.port, plan.host, plan.resume ? ticket.get() : nullptr);
  tls.write(plan.request);
  const Answer answer = AnswerReader(tls).read();
  if (answer.status != 200 || answer.body != plan.bytes) {
    throw Failure("answered with " + std::to_string(answer.status) + " and " + std::to_string(answer.body) +
                  " bytes");
  }
  if (Ticket fresh = tls.ticket()) ticket = std::move(fresh);
  tls.end();
  return tls.resumed();
}

}  // namespace

void connects(const Arguments& arguments) {
  const Plan plan{static_cast<std::uint16_t>(arguments.number("port")), arguments.text("host"),
                  get_request(arguments.text("host"), arguments.text("path")), arguments.number("bytes"),
                  arguments.number("resume", 0) == 1};
  const Context context = client_context("http/1.1");
  const std::uint64_t count = arguments.number("count"), threads = arguments.number("threads");
  std::atomic<std::uint64_t> resumed{0};
  share_out(count, threads, [&](std::uint64_t, std::uint64_t share) {
    Ticket ticket;
    for (std::uint64_t i = 0; i < share; ++i) resumed += connect_once(context.get(), plan, ticket);
  });
  if (resumed != (plan.resume ? count - threads : 0)) {
    throw Failure(std::to_string(resumed) + " of " + std::to_string(count) + " connections were resumed");
  }
  std::printf("{\"connections\": %llu}\n", static_cast<unsigned long long>(count));
}

}  // namespace envgate::bench
