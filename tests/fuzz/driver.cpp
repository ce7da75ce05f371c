// The main of a fuzz target where libFuzzer is not there: runs every file of the corpus, then a fixed number
// of mutations of it. Seed and count are fixed, so a failure comes back; the input that failed is printed,
// ready to be made into a file.
//
//   fuzz_<name> [--iterations N] [--seconds S] [--seed K] CORPUS_DIR_OR_FILE...

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kInputMax = 64 * 1024;

std::string_view current_input;  // for the report of a crash

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Called from a signal handler: write(2) only. The output is an argument for printf(1).
void report_input() {
  if (current_input.data() == nullptr) return;
  write_all("\nfailing input, for: printf '...' > FILE\n");
  for (const char c : current_input) {
    const auto byte = static_cast<unsigned char>(c);
    const char octal[4] = {'\\', static_cast<char>('0' + (byte >> 6)),
                           static_cast<char>('0' + (byte >> 3 & 7)), static_cast<char>('0' + (byte & 7))};
    const bool plain = byte > 0x20 && byte < 0x7f && c != '\\' && c != '\'' && c != '%';
    write_all(plain ? std::string_view(&c, 1) : std::string_view(octal, 4));
  }
  write_all("\n");
}

void on_crash(int signal) {
  report_input();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// A copy of exactly the input's size, so that a sanitizer sees a read behind its end.
void run(std::string_view input) {
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  current_input = input;
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  current_input = {};
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, std::uint32_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string out = any();
    for (std::uint32_t i = 1 + below(4); i > 0; --i) mutate(out);
    if (out.size() > kInputMax) out.resize(kInputMax);
    return out;
  }

 private:
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  const std::string& any() { return corpus_[below(corpus_.size())]; }

  std::string_view piece(std::string_view from) {
    if (from.empty()) return {};
    const std::size_t at = below(from.size());
    return from.substr(at, 1 + below(std::min<std::size_t>(from.size() - at, 64)));
  }

  void mutate(std::string& out) {
    static constexpr std::string_view kTokens[] = {
        "\r\n"sv, "\n"sv, "\r"sv, "\0"sv,   ":"sv,    " "sv,        "\t"sv,
        ","sv,    ";"sv,  "0"sv,  "\x7f"sv, "\xff"sv, "\r\n\r\n"sv, "99999999999999999999"sv,
        "_"sv,    "/"sv,  "\""sv, "{"sv,    "}"sv,    "["sv,        "]"sv};
    const std::size_t at = below(out.size() + 1);
    switch (below(8)) {
      case 0: if (at < out.size()) out[at] = static_cast<char>(out[at] ^ 1 << below(8)); return;
      case 1: if (at < out.size()) out[at] = static_cast<char>(below(256)); return;
      case 2: out.insert(at, std::string(kTokens[below(std::size(kTokens))])); return;
      case 3: out.insert(at, std::string(piece(any()))); return;
      case 4: out.insert(at, std::string(piece(out))); return;
      case 5: out.erase(at, 1 + below(16)); return;
      case 6: out.resize(at); return;
      default: {  // go on with another seed's end
        const std::string& other = any();
        out = out.substr(0, at) + other.substr(std::min<std::size_t>(at, other.size()));
      }
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937 random_;
};

void read_corpus(const std::filesystem::path& path, std::vector<std::string>& out) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  } else {
    files.push_back(path);
  }
  std::sort(files.begin(), files.end());  // the run does not depend on the file system's order
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "cannot read %s: give a corpus directory or a file\n", file.c_str());
      std::exit(2);
    }
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
}

struct Options {
  long iterations = 200'000;
  double seconds = 4;
  std::uint32_t seed = 1;
  std::vector<std::string> corpus;
};

Options parse_arguments(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    const bool takes_value = name == "--iterations" || name == "--seconds" || name == "--seed";
    if (!takes_value) {
      read_corpus(arguments[i], options.corpus);
      continue;
    }
    const char* const value = ++i < count ? arguments[i] : "0";
    if (name == "--iterations") options.iterations = std::atol(value);
    else if (name == "--seconds") options.seconds = std::atof(value);
    else options.seed = static_cast<std::uint32_t>(std::atol(value));
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  const Options options = parse_arguments(count, arguments);
  if (options.corpus.empty()) {
    std::fprintf(stderr, "usage: %s [--iterations N] [--seconds S] [--seed K] CORPUS_DIR_OR_FILE...\n",
                 arguments[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_crash);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(report_input);

  for (const std::string& input : options.corpus) run(input);
  Mutator mutator(options.corpus, options.seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.seconds);
  long done = 0;
  for (; done < options.iterations; ++done) {
    if (done % 256 == 0 && std::chrono::steady_clock::now() > end) break;
    const std::string input = mutator.next();
    run(input);
  }
  std::printf("%zu seeds and %ld mutations of them, no failure\n", options.corpus.size(), done);
  return 0;
}
