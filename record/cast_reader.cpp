#include "record/cast_reader.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace envgate::record {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kLongestLine = 4u << 20;  // an event of ours has 192 KiB at most

unsigned size_of(const Json& header, const char* name) {
  const auto found = header.find(name);
  if (found == header.end() || !found->is_number_unsigned()) return 0;
  const auto value = found->get<std::uint64_t>();
  return value <= 65535 ? static_cast<unsigned>(value) : 0;
}

}  // namespace

// False at the end of the file.
bool CastReader::read_line() {
  line_.clear();
  std::streambuf* const from = in_->rdbuf();
  for (int c; line_.size() <= kLongestLine && (c = from->sbumpc()) != EOF;) {
    if (c == '\n') {
      torn_ = false;
      ++number_;
      return true;
    }
    line_ += static_cast<char>(c);
  }
  torn_ = line_.size() <= kLongestLine;
  ++number_;
  return !line_.empty();
}

Result<CastReader> CastReader::of(std::istream& in) {
  CastReader out(in);
  out.read_line();
  const Json header = Json::parse(out.line_, nullptr, false);
  if (!header.is_object() || header.value("version", Json()) != Json(2))
    return fail("its first line is no header of an asciicast v2");
  out.header_ = {size_of(header, "width"), size_of(header, "height")};
  return out;
}

Result<std::optional<CastEvent>> CastReader::next() {
  do {
    if (!read_line()) return std::nullopt;
  } while (line_.empty());
  const Json json = Json::parse(line_, nullptr, false);
  if (json.is_discarded() && torn_) return std::nullopt;
  const bool is_event = json.is_array() && json.size() == 3 && json[0].is_number() && json[1].is_string() &&
                        json[2].is_string() && json[1].get_ref<const std::string&>().size() == 1;
  if (!is_event || !std::isfinite(json[0].get<double>()) || json[0].get<double>() < 0)
    return fail("line " + std::to_string(number_) + " is no event of an asciicast");
  return CastEvent{json[0].get<double>(), json[1].get_ref<const std::string&>()[0],
                   json[2].get<std::string>()};
}

}  // namespace envgate::record
