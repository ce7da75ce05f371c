#include "gateway/ssh/session/connection/file_observer.hpp"

#include <algorithm>

#include "gateway/ssh/session/connection/scp_observer.hpp"
#include "gateway/ssh/session/connection/sftp_observer.hpp"

namespace envgate::ssh::session {
namespace {

std::string_view next_word(std::string_view& command) {
  command.remove_prefix(std::min(command.find_first_not_of(" \t"), command.size()));
  const std::string_view word = command.substr(0, command.find_first_of(" \t"));
  command.remove_prefix(word.size());
  return word;
}

std::string_view base_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

// Who sends, by "-t" (to) or "-f" (from) among the options, alone or with others: "scp -v -r -t -- x".
bool sender_of(std::string_view arguments, Side& sender) {
  for (;;) {
    const std::string_view word = next_word(arguments);
    if (word.size() < 2 || word[0] != '-' || word == "--") return false;
    if (word.find('t') != word.npos) {
      sender = Side::client;
      return true;
    }
    if (word.find('f') != word.npos) {
      sender = Side::target;
      return true;
    }
  }
}

}  // namespace

std::unique_ptr<FileObserver> observer_of_subsystem(std::string_view name, std::uint32_t channel,
                                                    const Sink& sink) {
  if (name != "sftp") return nullptr;
  return std::make_unique<SftpObserver>(channel, sink);
}

std::unique_ptr<FileObserver> observer_of_command(std::string_view command, std::uint32_t channel,
                                                  const Sink& sink) {
  const std::string_view program = base_name(next_word(command));
  if (program == "sftp-server" || program == "internal-sftp")
    return std::make_unique<SftpObserver>(channel, sink);
  Side sender;
  if (program == "scp" && sender_of(command, sender))
    return std::make_unique<ScpObserver>(sender, channel, sink);
  return nullptr;
}

}  // namespace envgate::ssh::session
