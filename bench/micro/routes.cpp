// How much memory a table of routes takes, how long a lookup takes at several sizes and while it is written
// to, and how long it takes to load one from Redis:
//
//   bench_routes [COUNT...]                   memory and lookups, at so many routes; 10,000 and 1,000,000 if
//   none bench_routes redis unix:///path 100000    fills that (empty!) Redis as the seed does, then loads it
#include <hiredis/hiredis.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "routing/redis/url.hpp"
#include "routing/router.hpp"

namespace {

using namespace envgate;
using namespace envgate::routing;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// CPU time, so that a busy machine's other work is left out: of this thread, or of the whole process.
double cpu_seconds(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double resident_mb() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

std::string name_of(std::size_t i) {  // 16 characters, as ours are
  std::uint64_t x = i * 0x9e3779b97f4a7c15ULL + 1;
  std::string name;
  for (int c = 0; c < 16; ++c, x = x * 6364136223846793005ULL + 1442695040888963407ULL) {
    name += "abcdefghijklmnopqrstuvwxyz0123456789"[(x >> 33) % 36];
  }
  return name;
}

RoutePtr route_of(std::size_t i, ServicesPool& pool) {
  RouteSpec spec;
  spec.env = *EnvId::parse(name_of(i));
  spec.generation = i;
  spec.address = IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(i));
  spec.services.http_declared = true;
  spec.services.http = {{8888, 8888, Scheme::http, Access::open}};
  return Route::make(std::move(spec), &pool);
}

double lookup_ns(RouteTable& table, const std::vector<EnvId>& envs) {
  Reader reader(table);
  reader.online();
  std::minstd_rand random(7);
  std::vector<std::uint32_t> order(1 << 20);
  for (auto& index : order) index = static_cast<std::uint32_t>(random() % envs.size());
  std::uint64_t ports = 0;
  const double start = cpu_seconds();
  for (const std::uint32_t index : order) ports += reader.find(envs[index])->generation;
  const double ns = (cpu_seconds() - start) * 1e9 / static_cast<double>(order.size());
  if (ports == 1) std::puts("");
  return ns;
}

void measure_table(std::size_t count) {
  const double before = resident_mb();
  RouteTable table;
  ServicesPool pool;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    table.put(route_of(i, pool));
    if (i % 4096 == 0) table.reclaim();
  }
  table.reclaim();
  std::printf("%9zu routes: put in %.2f s, %.1f MB resident", count, seconds_since(start),
              resident_mb() - before);
  std::vector<EnvId> envs;
  for (std::size_t i = 0; i < count; ++i) envs.push_back(*EnvId::parse(name_of(i)));
  const double still = lookup_ns(table, envs);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::size_t i = 0; !done; i = (i + 1) % count) {
      table.put(route_of(i, pool));
      if (i % 64 == 0) table.reclaim();
    }
  });
  const double written = lookup_ns(table, envs);
  done = true;
  writer.join();
  table.reclaim();
  std::printf(", %.0f ns a lookup, %.0f ns while written to\n", still, written);
}

// Four keys an environment, exactly as the seed's platform writes them.
void fill(const redis::Url& url, std::size_t count) {
  redisContext* context = ::redisConnectUnix(url.path.c_str());
  if (!context || context->err) {
    std::fprintf(stderr, "cannot connect to %s\n", url.shown().c_str());
    std::exit(1);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = name_of(i),
                      ip = IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(i)).to_string();
    const std::string info = R"({"environment_id":")" + name + R"(","type":"container","ssh_host":")" + name +
                             R"(.ssh.x-gpu.com","ssh_port":50000,"ssh_username":"root","target_ip":")" + ip +
                             R"(","jupyter_url":"https://x","created_at":"2026-02-02T10:30:00Z"})";
    ::redisAppendCommand(context,
                         "MSET env:%s:ip %s env:%s:ssh_port %d env:%s:type container env:%s:access_info %s",
                         name.c_str(), ip.c_str(), name.c_str(), static_cast<int>(i < 10000 ? 50000 + i : 0),
                         name.c_str(), name.c_str(), info.c_str());
    if (i % 1000 != 999 && i + 1 != count) continue;
    for (std::size_t n = i % 1000 + 1; n > 0; --n) {
      void* reply = nullptr;
      ::redisGetReply(context, &reply);
      ::freeReplyObject(reply);
    }
  }
  ::redisFree(context);
}

void measure_load(const std::string& text, std::size_t count) {
  const auto url = redis::Url::parse(text);
  if (!url || url->path.empty()) {
    std::fprintf(stderr, "give a unix:// URL\n");
    std::exit(1);
  }
  fill(*url, count);
  RoutingSettings settings;
  settings.source = SourceKind::redis;
  settings.redis.url = text;
  settings.start_wait = std::chrono::minutes(5);
  Router router(settings);
  const double before = resident_mb(), cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  const auto start = Clock::now();
  if (const auto started = router.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    std::exit(1);
  }
  std::printf("%zu routes of 4 keys loaded from Redis in %.2f s (%.2f s of our CPU), %.1f MB resident more\n",
              router.status().routes, seconds_since(start), cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
              resident_mb() - before);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "redis") {
    measure_load(argv[2], static_cast<std::size_t>(std::atol(argv[3])));
    return 0;
  }
  std::printf("a Route is %zu bytes\n", sizeof(Route));
  if (argc == 1) {
    measure_table(10'000);
    measure_table(1'000'000);
  }
  for (int i = 1; i < argc; ++i) measure_table(static_cast<std::size_t>(std::atol(argv[i])));
}
