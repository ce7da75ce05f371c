#include "control/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace envgate::cli {

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int complain(std::string_view message, ExitCode code) {
  print(stderr, "envctl: " + std::string(message) + (message.ends_with('\n') ? "" : "\n"));
  return code;
}

bool is_terminal(std::FILE* stream) {
  const char* const term = std::getenv("TERM");
  return ::isatty(::fileno(stream)) == 1 && term && *term && std::string_view(term) != "dumb";
}

bool wants_colour(std::FILE* stream) {
  const char* const no = std::getenv("NO_COLOR");
  return is_terminal(stream) && !(no && *no);
}

unsigned columns_of(std::FILE* stream) {
  winsize size{};
  const bool known = ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string ask_person(std::string_view question) {
  print(stderr, question);
  std::fflush(stderr);
  std::string line;
  for (int c; (c = std::getchar()) != EOF && c != '\n';) line += static_cast<char>(c);
  return line;
}

}  // namespace envgate::cli
