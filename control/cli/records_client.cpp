#include "control/cli/records_client.hpp"

#include <algorithm>
#include <cstring>

#include "control/cli/gateway_commands.hpp"
#include "control/cli/views.hpp"

namespace envgate::cli {
namespace {

constexpr std::size_t kPage = 1000;         // the most that the gateway gives at once
constexpr std::uint64_t kRange = 4u << 20;  // and of a file

std::string file_target(const std::string& id, const std::string& name) {
  return "/api/sessions/" + encode_segment(id) + "/files/" + encode_segment(name);
}

}  // namespace

RecordsClient::RecordsClient(const Invocation& call) : socket_(gateway_socket(call)) {}

Asked<HttpAnswer> RecordsClient::ask(std::string_view method, const std::string& target) const {
  auto answer = request(socket_, method, target);
  if (!answer) return tl::unexpected(refusal_of(answer.error()));
  if (answer->status < 300) return std::move(*answer);
  return refuse(problem_view(answer->status, answer->body), exit_code_of(answer->status));
}

Asked<Json> RecordsClient::get(const std::string& target) const {
  const auto answer = ask("GET", target);
  if (!answer) return tl::unexpected(answer.error());
  return Json::parse(answer->body);
}

Asked<Json> RecordsClient::remove(const std::string& target) const {
  const auto answer = ask("DELETE", target);
  if (!answer) return tl::unexpected(answer.error());
  return Json::parse(answer->body);
}

Asked<Json> RecordsClient::list(const std::string& filters, std::size_t limit) const {
  Json all = Json::array();
  for (std::string after; all.size() < limit;) {
    std::string target = "/api/sessions" + (filters.empty() ? "?" : filters + "&") +
                         "limit=" + std::to_string(std::min(kPage, limit - all.size()));
    if (!after.empty()) target += "&after=" + encode_segment(after);
    auto page = get(target);
    if (!page) return page;
    for (Json& entry : page->at("records")) all.push_back(std::move(entry));
    const Json& next = page->at("next");
    if (next.is_null()) break;
    // Each page is behind the one before: an id that does not go down would go on for ever.
    const auto id = next.get<std::string>();
    if (!after.empty() && id >= after) return refuse("the list does not end: a page of it names itself");
    after = id;
  }
  return Json{{"records", std::move(all)}};
}

Asked<std::string> RecordsClient::range(const std::string& id, const std::string& name, std::uint64_t from,
                                        std::uint64_t size) const {
  auto answer = ask("GET", file_target(id, name) + "?from=" + std::to_string(from) +
                               "&size=" + std::to_string(std::min(size, kRange)));
  if (!answer) return tl::unexpected(answer.error());
  if (answer->body.size() > size) return refuse("the gateway has answered with more than it was asked for");
  return std::move(answer->body);
}

Asked<void> RecordsClient::read(const std::string& id, const std::string& name, std::uint64_t most,
                                const std::function<bool(std::string_view piece)>& take) const {
  for (std::uint64_t at = 0; at < most;) {
    const std::uint64_t wanted = std::min(kRange, most - at);
    const auto piece = range(id, name, at, wanted);
    if (!piece) return tl::unexpected(piece.error());
    if (!piece->empty() && !take(*piece)) return {};
    at += piece->size();
    if (piece->size() < wanted) return {};
  }
  return {};
}

Asked<FetchedFile> FetchedFile::fetch(const RecordsClient& client, const std::string& id,
                                      const std::string& name) {
  FetchedFile out;
  out.file_.reset(std::tmpfile());
  if (!out.file_) return refuse(std::string("make a temporary file: ") + std::strerror(errno));
  bool written = true;
  const auto read = client.read(id, name, UINT64_MAX, [&](std::string_view piece) {
    written = std::fwrite(piece.data(), 1, piece.size(), out.file_.get()) == piece.size();
    return written;
  });
  if (!read) return tl::unexpected(read.error());
  if (!written || std::fflush(out.file_.get()) != 0)
    return refuse(std::string("write a temporary file: ") + std::strerror(errno));
  return out;
}

bool is_record_id(std::string_view word) {
  return !word.empty() && word.find('-') != word.npos && word.find_first_of("./") == word.npos;
}

std::vector<std::string> files_of(const Json& record, std::string_view suffix) {
  std::vector<std::string> out;
  for (const Json& file : record.at("files"))
    if (auto name = file.at("name").get<std::string>(); name.ends_with(suffix))
      out.push_back(std::move(name));
  return out;
}

}  // namespace envgate::cli
