// The records of sessions as the gateway's admin socket gives them (gateway/admin/README.md): listed, shown,
// and their files read in ranges. Thread: main's; it blocks.
#pragma once

#include <nlohmann/json.hpp>

#include "control/cli/control_client.hpp"
#include "record/verify.hpp"

namespace envgate::cli {

inline constexpr Option kAdminSocket{"--socket", 's', "PATH",
                                     "the gateway's admin socket (default: $ENVGATE_ADMIN_SOCKET,\n"
                                     "                            else /run/envgate/admin.sock)"};

class RecordsClient {
 public:
  explicit RecordsClient(const Invocation& call);

  Asked<Json> get(const std::string& target) const;
  Asked<Json> remove(const std::string& target) const;
  // Every page of /api/sessions, at most `limit` entries; `filters`: "" or "?...".
  Asked<Json> list(const std::string& filters, std::size_t limit) const;

  // Of a file of a record; fewer bytes than asked for only at its end.
  Asked<std::string> range(const std::string& id, const std::string& name, std::uint64_t from,
                           std::uint64_t size) const;
  // The whole file, or `most` bytes of it, in pieces.
  Asked<void> read(const std::string& id, const std::string& name, std::uint64_t most,
                   const std::function<bool(std::string_view piece)>& take) const;
  const std::string& socket() const { return socket_; }

 private:
  Asked<HttpAnswer> ask(std::string_view method, const std::string& target) const;
  std::string socket_;
};

// A file of a gateway's record as an unnamed file of our own, which goes with this.
class FetchedFile {
 public:
  static Asked<FetchedFile> fetch(const RecordsClient& client, const std::string& id,
                                  const std::string& name);
  std::string path() const { return "/proc/self/fd/" + std::to_string(::fileno(file_.get())); }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closer> file_;
};

// A record's id, as `session ls` lists them, and not a file: it has no '.' and no '/'.
bool is_record_id(std::string_view word);
// The files of a record that end in `suffix`, of the answer to GET /api/sessions/ID.
std::vector<std::string> files_of(const Json& record, std::string_view suffix);

}  // namespace envgate::cli
