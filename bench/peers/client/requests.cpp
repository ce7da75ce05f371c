// requests: port host domain target path bytes count threads unknown
//
// A closed loop of GETs over HTTP/1.1 on kept connections; every second one goes to an environment that does
// not exist: one of `unknown` names, chosen at random. Those must be refused with 404, the others answered
// with 200.
#include <cstdio>
#include <random>

#include "http.hpp"
#include "modes.hpp"
#include "threads.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

class Storm {
 public:
  explicit Storm(const Arguments& arguments)
      : port_(static_cast<std::uint16_t>(arguments.number("port"))),
        host_(arguments.text("host")),
        suffix_("-" + arguments.text("target") + ".container." + arguments.text("domain")),
        path_(arguments.text("path")),
        bytes_(arguments.number("bytes")),
        unknown_(arguments.number("unknown")) {}

  void run(std::uint64_t seed, std::uint64_t count) const {
    const Context context = client_context("http/1.1");
    Tls tls(context.get(), port_, host_);
    AnswerReader reader(tls);
    std::minstd_rand random(static_cast<unsigned>(seed + 1));
    for (std::uint64_t i = 0; i < count; ++i) {
      const bool known = i % 2 == 0;
      tls.write(get_request(known ? host_ : "nobody" + std::to_string(random() % unknown_) + suffix_, path_));
      const Answer answer = reader.read();
      if (answer.status != (known ? 200 : 404) || (known && answer.body != bytes_)) {
        throw Failure(std::string(known ? "a known" : "an unknown") + " environment was answered with " +
                      std::to_string(answer.status) + " and " + std::to_string(answer.body) + " bytes");
      }
    }
  }

 private:
  const std::uint16_t port_;
  const std::string host_, suffix_, path_;
  const std::size_t bytes_;
  const std::uint64_t unknown_;
};

}  // namespace

void requests(const Arguments& arguments) {
  const Storm storm(arguments);
  const std::uint64_t count = arguments.number("count");
  share_out(count, arguments.number("threads"),
            [&](std::uint64_t index, std::uint64_t share) { storm.run(index, share); });
  std::printf("{\"requests\": %llu}\n", static_cast<unsigned long long>(count));
}

}  // namespace envgate::bench
