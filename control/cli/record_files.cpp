#include "control/cli/record_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.hpp"
#include "control/cli/table.hpp"
#include "record/chained_file.hpp"

namespace envgate::cli {
namespace {

constexpr std::size_t kBlock = 4u << 20;  // bytes asked for at once, however little is wanted

std::string chain_of(const std::string& name) { return name + std::string(record::kChainSuffix); }

Asked<std::uint64_t> size_of(const RecordsClient& client, const std::string& id, const std::string& name) {
  const auto record = client.get("/api/sessions/" + encode_segment(id) + "?verify=no");
  if (!record) return tl::unexpected(record.error());
  for (const Json& file : record->at("files"))
    if (file.at("name").get<std::string>() == name) return file.at("bytes").get<std::uint64_t>();
  return refuse(name + " is no longer there", kNotFound);
}

bool write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

Asked<void> save(const RecordsClient& client, const std::string& id, const std::string& name,
                 const std::string& path) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return refuse(fail_errno("create " + path, errno).value().message);
  int error = 0;
  const auto read = client.read(id, name, UINT64_MAX, [&](std::string_view piece) {
    if (!write_whole(fd.get(), piece)) error = errno;
    return error == 0;
  });
  if (!read) return read;
  if (error != 0) return refuse(fail_errno("write " + path, error).value().message);
  print(stdout, printable(path) + "\n");
  return {};
}

}  // namespace

Asked<record::Verdict> verify_remote(const RecordsClient& client, const std::string& id,
                                     const std::string& name, const std::optional<record::PublicKey>& key) {
  std::string chain;
  const auto fetched = client.read(id, chain_of(name), UINT64_MAX,
                                   [&](std::string_view piece) { return chain += piece, true; });
  if (!fetched) return tl::unexpected(fetched.error());
  // After its chain: one that is still written may grow meanwhile, and must not seem to lack what is covered.
  const auto size = size_of(client, id, name);
  if (!size) return tl::unexpected(size.error());
  Refusal why;
  std::string block;
  std::uint64_t block_at = 0;
  const auto read_at = [&](std::uint64_t at, char* to, std::size_t most) -> Result<std::size_t> {
    std::size_t got = 0;
    while (got < most) {
      const std::uint64_t from = at + got;
      if (from < block_at || from >= block_at + block.size()) {
        auto next = client.range(id, name, from, kBlock);
        if (!next) return why = next.error(), fail(next.error().message);
        if (next->empty()) break;
        block = std::move(*next);
        block_at = from;
      }
      got += block.copy(to + got, most - got, from - block_at);
    }
    return got;
  };
  auto verdict = record::verify(read_at, *size, chain, key);
  if (!verdict) return refuse(verdict.error().message, why.code);
  return std::move(*verdict);
}

Asked<void> save_files(const RecordsClient& client, const std::string& id, const std::string& folder) {
  const auto record = client.get("/api/sessions/" + encode_segment(id) + "?verify=no");
  if (!record) return tl::unexpected(record.error());
  for (const std::string& file : files_of(*record, "")) {
    // A name from elsewhere becomes a path here.
    if (file.empty() || file[0] == '.' || file.find('/') != file.npos)
      return refuse("the gateway names a file that no record has: " + printable(file));
    // The chain first: a record that grows is then covered less than it is long, and not more.
    for (const std::string& name : {chain_of(file), file})
      if (auto saved = save(client, id, name, folder + "/" + name); !saved) return saved;
  }
  return {};
}

}  // namespace envgate::cli
