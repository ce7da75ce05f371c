// latency: protocol=h1|h2 port host path bytes rate seconds connections
//
// Requests at a fixed rate, each due at a moment of its own. What is told is the time from when a request was
// due, not from when it could be sent: a stall counts for every request that it held up. The due times of the
// connections interleave evenly, so the proxy sees one request after the other and no bursts.
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "h2.hpp"
#include "http.hpp"
#include "modes.hpp"
#include "threads.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

void sleep_until(std::int64_t moment) {
  const timespec time{.tv_sec = moment / kSecond, .tv_nsec = moment % kSecond};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) continue;
}

// A connection that answers one request after the other, in either protocol.
std::function<Answer()> make_caller(const Arguments& arguments, SSL_CTX* context) {
  const std::string& host = arguments.text("host");
  const auto port = static_cast<std::uint16_t>(arguments.number("port"));
  auto tls = std::make_shared<Tls>(context, port, host);
  if (arguments.text("protocol") == "h2") {
    auto client = std::make_shared<H2Client>(*tls, host, arguments.text("path"));
    return [tls, client] { return client->get(); };
  }
  auto reader = std::make_shared<AnswerReader>(*tls);
  return [tls, reader, request = get_request(host, arguments.text("path"))] {
    tls->write(request);
    return reader->read();
  };
}

void check(const Answer& answer, std::size_t bytes) {
  if (answer.status != 200 || answer.body != bytes) {
    throw Failure("answered with " + std::to_string(answer.status) + " and " + std::to_string(answer.body) +
                  " bytes");
  }
}

double percentile(const std::vector<std::int64_t>& sorted, double share) {
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return static_cast<double>(sorted[std::min(at, sorted.size() - 1)]) / 1e3;
}

}  // namespace

void latency(const Arguments& arguments) {
  const std::uint64_t rate = arguments.number("rate"), connections = arguments.number("connections");
  const std::uint64_t count = rate * arguments.number("seconds");
  const std::size_t bytes = arguments.number("bytes");
  const Context context = client_context(arguments.text("protocol") == "h2" ? "h2" : "http/1.1");
  std::vector<std::function<Answer()>> callers;
  for (std::uint64_t i = 0; i < connections; ++i) {
    callers.push_back(make_caller(arguments, context.get()));
    for (int warm = 0; warm < 10; ++warm) check(callers.back()(), bytes);
  }
  std::vector<std::int64_t> times;
  std::mutex mutex;
  const std::int64_t start = now() + kSecond / 10;
  share_out(count, connections, [&](std::uint64_t index, std::uint64_t share) {
    ::prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds; 50 us by default
    std::vector<std::int64_t> mine;
    for (std::uint64_t i = 0; i < share; ++i) {
      const std::uint64_t turn = i * connections + index;
      const std::int64_t due = start + static_cast<std::int64_t>(turn * kSecond / rate);
      sleep_until(due);
      check(callers[index](), bytes);
      mine.push_back(now() - due);
    }
    const std::lock_guard lock(mutex);
    times.insert(times.end(), mine.begin(), mine.end());
  });
  std::sort(times.begin(), times.end());
  std::printf("{\"requests\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f}\n", times.size(),
              percentile(times, 0.5), percentile(times, 0.99), percentile(times, 0.999));
}

}  // namespace envgate::bench
