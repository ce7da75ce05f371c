#include "gateway/http/date.hpp"

#include <ctime>

namespace envgate::http {

std::string_view http_date() {
  struct Written {
    std::time_t at = 0;
    std::size_t size = 0;
    char text[40];
  };
  thread_local Written written;
  const std::time_t now = std::time(nullptr);
  if (now == written.at) return {written.text, written.size};
  tm utc{};
  gmtime_r(&now, &utc);
  written.size = std::strftime(written.text, sizeof(written.text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  written.at = now;
  return {written.text, written.size};
}

}  // namespace envgate::http
