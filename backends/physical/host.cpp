#include "backends/physical/host.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include "backends/physical/programs.hpp"
#include "backends/physical/ssh_command.hpp"
#include "backends/words.hpp"

namespace envgate::backends::physical {
namespace {

constexpr std::string_view kBegin = "envgate: begin\n", kDone = "envgate: done\n";
constexpr std::size_t kMostScript = 1 << 20;
constexpr char kOddMarker[] =
    "/var/lib/envgate/environment there is not as we write it: somebody changed it. Look, and remove it";

void tell(const Call& call, std::string step, std::string detail) {
  if (call.progress) call.progress({std::move(step), std::move(detail), 0, 0});
}

Call at_most(const Call& call, std::chrono::seconds time) {
  Call bounded = call;
  bounded.deadline = std::min(call.deadline, std::chrono::steady_clock::now() + time);
  return bounded;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The last words matter: what went wrong stands there.
std::string last_of(std::string_view text) {
  constexpr std::size_t most = 600;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.size() > most) text.remove_prefix(text.size() - most);
  return excerpt(text, most);
}

Secret grant_input(const std::string& accounts, const Marker& marker, const std::optional<Login>& login) {
  std::string text;
  text.reserve(64 << 10);  // usually enough, so that no copy of the password is left behind
  text += accounts + marker_lines(marker) + '\n';
  if (login) {
    text += login->user + '\n';
    text += login->password.reveal();
    text += '\n';
    for (const std::string& key : login->authorized_keys) text += key + '\n';
    text += '\n';
  } else {
    text += "\n\n\n";
  }
  Secret secret(text);
  explicit_bzero(text.data(), text.size());
  return secret;
}

std::chrono::sys_seconds now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

std::vector<std::string> parse_scan(std::string_view text) {
  std::vector<std::string> keys;
  for (const std::string_view line : lines_of(text)) {
    if (line.empty() || line[0] == '#' || keys.size() == 16) continue;
    const std::size_t space = line.find(' ');  // after the address
    if (space == std::string_view::npos) continue;
    auto key = public_key(line.substr(space + 1));
    if (key && std::find(keys.begin(), keys.end(), *key) == keys.end()) keys.push_back(std::move(*key));
  }
  return keys;
}

std::string parse_scanned_server(std::string_view text) {
  constexpr std::string_view kVersion = " SSH-2.0-";
  constexpr std::size_t kMost = 64;
  for (const std::string_view line : lines_of(text)) {
    const std::size_t at = line.starts_with("# ") ? line.find(kVersion) : std::string_view::npos;
    if (at == std::string_view::npos) continue;
    const std::string_view name = line.substr(at + kVersion.size());
    return excerpt(name.substr(0, name.find_first_of(" \r")), kMost);
  }
  return "";
}

Outcome<std::vector<std::string>> scan_host_keys(const Settings& settings, const IpAddress& address,
                                                 std::uint16_t port, const Call& call) {
  auto scanned = scan_server(settings, address, port, call);
  if (!scanned) return tl::unexpected(std::move(scanned.error()));
  return std::move(scanned->keys);
}

Outcome<HostKeys> scan_server(const Settings& settings, const IpAddress& address, std::uint16_t port,
                              const Call& call) {
  const std::string at = Endpoint{address, port}.to_string();
  auto ended = run({{settings.programs + "/ssh-keyscan", "-T", std::to_string(settings.connect_time.count()),
                     "-p", std::to_string(port), "-t", "ed25519,ecdsa,rsa", "--", address.to_string()},
                    Secret(),
                    64 << 10},
                   call);
  if (!ended) return failure(ended.error().cause, "scan " + at + ": " + ended.error().message);
  HostKeys shown{parse_scan(ended->out), parse_scanned_server(ended->out + '\n' + ended->err)};
  if (!shown.keys.empty()) return shown;
  return failure(Cause::unreachable,
                 "no sshd shows its host keys at " + at + ": is it up, and the port right?");
}

Outcome<std::string> Host::ask(const std::string& program, Secret input, const std::string& doing,
                               const Call& call, std::chrono::seconds most, const std::string& secret) const {
  auto ended = run_remote(settings_, machine_, program, std::move(input), at_most(call, most));
  if (!ended) return failure(ended.error().cause, doing + ": " + ended.error().message);
  std::string_view said = ended->out;
  const std::size_t begin = said.find(kBegin);
  said.remove_prefix(begin == std::string_view::npos ? said.size() : begin + kBegin.size());
  if (ended->status == 0 && said.size() >= kDone.size() && said.substr(said.size() - kDone.size()) == kDone) {
    return std::string(said.substr(0, said.size() - kDone.size()));
  }
  std::string words = last_of(without(ended->err, secret));
  if (const std::string out = last_of(without(std::string(said), secret)); !out.empty()) {
    words += (words.empty() ? "" : ": ") + out;
  }
  if (words.empty()) words = "the program there ended with status " + std::to_string(ended->status);
  const bool rights = ended->err.rfind("sudo:", 0) == 0;
  const Cause cause = ended->status == programs::kBusy ? Cause::timeout
                      : rights                         ? Cause::denied
                                                       : Cause::failed;
  return failure(cause, doing + ": " + machine_.shown() + ": " + words);
}

Outcome<Facts> Host::check(const Call& call) const {
  auto said = ask(programs::check(), Secret(), "check", call);
  if (said) return parse_facts(*said, now());
  const Cause cause = said.error().cause;
  if (cause != Cause::unreachable && cause != Cause::timeout) return tl::unexpected(std::move(said.error()));
  Facts facts;
  facts.reason = std::move(said.error().message);
  return facts;
}

Outcome<std::optional<Marker>> Host::look(const Call& call) const {
  auto said = ask(programs::look(), Secret(), "look whose it is", call);
  if (!said) return tl::unexpected(std::move(said.error()));
  if (said->empty()) return std::optional<Marker>();
  auto marker = parse_marker(*said);
  if (marker) return marker;
  return failure(Cause::conflict, machine_.shown() + ": " + kOddMarker);
}

Outcome<std::optional<Marker>> Host::look_for(const EnvId& environment, const Call& call) const {
  auto said = ask(programs::look(), Secret(), "look whose it is", call);
  if (!said) return tl::unexpected(std::move(said.error()));
  auto marker = parse_marker(*said);
  if (!marker || ours(*marker, environment)) return marker;
  return others(*marker, environment);
}

bool Host::ours(const Marker& marker, const EnvId& environment) const {
  return marker.install == settings_.install && marker.environment == environment;
}

tl::unexpected<Failure> Host::others(const Marker& marker, const EnvId& environment) const {
  return failure(Cause::conflict, machine_.shown() + ": its marker names environment " +
                                      marker.environment.str() + " of install " + marker.install +
                                      ", and not " + environment.str() + " of " + settings_.install +
                                      ": it was not touched. Look who has it");
}

Outcome<std::string> Host::admin_public_key(const Call& call) const {
  const std::string doing = "read the admin key " + machine_.admin_key;
  auto ended = run(
      {{settings_.programs + "/ssh-keygen", "-y", "-P", "", "-f", machine_.admin_key}, Secret(), 16 << 10},
      at_most(call, std::chrono::seconds(10)));
  if (!ended) return failure(ended.error().cause, doing + ": " + ended.error().message);
  auto key = public_key(ended->out);
  if (ended->status == 0 && key) return std::move(*key);
  return failure(Cause::denied, doing + ": it must be a private key without a passphrase, with mode 0600: " +
                                    last_of(ended->err));
}

Outcome<std::string> Host::accounts(const Call& call) const {
  // Before it comes to ssh-keygen: the values of a machine are an operator's, and may be wrong.
  if (const auto good = physical::check(machine_); !good) {
    return failure(Cause::invalid, machine_.shown() + ": " + good.error().message);
  }
  auto key = admin_public_key(call);
  if (!key) return key;
  std::string text = machine_.admin_user + '\n' + *key + '\n';
  for (const std::string& user : settings_.customer_users) text += user + '\n';
  return text + '\n';
}

Outcome<Marker> Host::marker_for(const EnvId& environment, std::uint64_t generation, const std::string& owner,
                                 const Call& call) const {
  const auto found = look(call);
  if (!found) return tl::unexpected(found.error());
  if (!*found) {
    return Marker{settings_.install, environment, generation,           owner,
                  new_instance(),    now(),       MarkerPower::granting};
  }
  Marker marker = **found;
  if (!ours(marker, environment)) return others(marker, environment);
  if (marker.generation > generation) {
    return failure(Cause::conflict, machine_.shown() + " is already at generation " +
                                        std::to_string(marker.generation) + " of environment " +
                                        environment.str() + ", and generation " + std::to_string(generation) +
                                        " was asked for: read it again");
  }
  if (marker.power != MarkerPower::running) marker.since = now();
  if (marker.generation != generation || marker.owner != owner) marker.power = MarkerPower::granting;
  marker.generation = generation;
  marker.owner = owner;
  return marker;
}

Outcome<Marker> Host::grant(const EnvId& environment, std::uint64_t generation, const std::string& owner,
                            const std::optional<Login>& login, const Call& call) const {
  auto marker = marker_for(environment, generation, owner, call);
  if (!marker || (marker->power == MarkerPower::running && !login)) return marker;
  const auto users = accounts(call);
  if (!users) return tl::unexpected(users.error());
  const std::string none;
  const std::string& password = login ? login->password.reveal() : none;
  tell(call, "grant", machine_.name);
  auto said = ask(programs::grant(), grant_input(*users, *marker, login),
                  "let to environment " + environment.str(), call, std::chrono::seconds(60), password);
  if (!said) return tl::unexpected(std::move(said.error()));
  marker->power = MarkerPower::running;
  return marker;
}

Outcome<Marker> Host::hold(const EnvId& environment, std::uint64_t generation, const std::string& owner,
                           std::chrono::seconds grace, const Call& call) const {
  auto marker = marker_for(environment, generation, owner, call);
  if (!marker) return marker;
  auto locked = lock(environment, *marker, grace, call);
  if (!locked) return tl::unexpected(std::move(locked.error()));
  return std::move(**locked);
}

Outcome<std::optional<Marker>> Host::stop(const EnvId& environment, std::chrono::seconds grace,
                                          const Call& call) const {
  auto marker = look_for(environment, call);
  // Also where it says "stopped": a customer could have written that.
  return marker ? lock(environment, std::move(*marker), grace, call) : marker;
}

Outcome<std::optional<Marker>> Host::lock(const EnvId& environment, std::optional<Marker> marker,
                                          std::chrono::seconds grace, const Call& call) const {
  auto text = accounts(call);
  if (!text) return tl::unexpected(std::move(text.error()));
  grace = std::clamp(grace, std::chrono::seconds(0), std::chrono::seconds(600));
  *text += (marker ? marker_lines(*marker) : "") + '\n' + std::to_string(grace.count()) + '\n';
  tell(call, "stop", machine_.name);
  auto said = ask(programs::stop(), Secret(*text), "stop environment " + environment.str(), call,
                  std::chrono::seconds(60) + grace);
  if (!said) return tl::unexpected(std::move(said.error()));
  if (marker) marker->power = MarkerPower::stopped;
  return marker;
}

Outcome<void> Host::reclaim(const EnvId& environment, const Call& call) const {
  auto marker = look_for(environment, call);
  if (!marker) return tl::unexpected(std::move(marker.error()));
  auto users = accounts(call);
  if (!users) return tl::unexpected(std::move(users.error()));
  tell(call, "draining", machine_.name);
  auto drained = ask(programs::drain(), Secret(*users + std::to_string(settings_.grace.count()) + '\n'),
                     "drain", call, std::chrono::seconds(90) + settings_.grace);
  if (!drained) return tl::unexpected(std::move(drained.error()));
  if (!settings_.clean_script.empty()) {
    tell(call, "cleaning", machine_.name);
    if (auto cleaned = clean(environment, call); !cleaned) return cleaned;
  }
  tell(call, "verifying", machine_.name);
  return verify(*users, call);
}

Outcome<void> Host::clean(const EnvId& environment, const Call& call) const {
  std::ifstream file(settings_.clean_script, std::ios::binary);
  std::string script(kMostScript + 1, '\0');
  file.read(script.data(), static_cast<std::streamsize>(script.size()));
  script.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || !file.eof() || script.empty()) {
    return failure(Cause::denied, "clean: the clean script " + settings_.clean_script +
                                      " cannot be read, is empty, or is larger than 1 MiB");
  }
  const std::string input =
      environment.str() + '\n' + std::to_string(settings_.clean_time.count()) + '\n' + script;
  auto said = ask(programs::clean(), Secret(input), "clean: the clean script", call,
                  settings_.clean_time + std::chrono::seconds(45));
  if (!said) return tl::unexpected(std::move(said.error()));
  return {};
}

Outcome<void> Host::verify(const std::string& accounts, const Call& call) const {
  auto said = ask(programs::verify(), Secret(accounts), "verify", call);
  if (!said) return tl::unexpected(std::move(said.error()));
  const std::string key(lines_of(accounts)[1]);
  if (const auto good = check_verified(*said, settings_.customer_users, key); !good) {
    return failure(Cause::failed, "verify: " + machine_.shown() + ": " + good.error().message);
  }
  return {};
}

Result<void> check_verified(std::string_view said, const std::vector<std::string>& users,
                            const std::string& admin_key) {
  std::set<std::string> missing(users.begin(), users.end());
  for (const std::string_view line : lines_of(said)) {
    const auto is = [&](const std::string& text) { return line == text; };
    const auto account = std::find_if(users.begin(), users.end(), [&](const std::string& user) {
      return is("account " + user + " locked") || is("account " + user + " absent");
    });
    if (account != users.end()) {
      missing.erase(*account);
      continue;
    }
    const bool admins = std::any_of(users.begin(), users.end(), [&](const std::string& user) {
      return is("key " + user + ' ' + admin_key + " envgate-admin");
    });
    if (!admins) return fail("what must be gone is there: " + excerpt(line, 200));
  }
  if (!missing.empty()) return fail("it says nothing of account " + *missing.begin());
  return {};
}

}  // namespace envgate::backends::physical
