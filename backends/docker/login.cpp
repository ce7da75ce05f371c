#include "backends/docker/login.hpp"

#include <algorithm>

#include "backends/docker/exec_frames.hpp"
#include "backends/words.hpp"

namespace envgate::backends::docker {
namespace {

// printf is the shell's own, so that no process ever has the password among its arguments. Keys become the
// file in one rename. The user comes as $1, and nothing is read as shell.
constexpr char kProgram[] = R"(set -eu
uid= gid= home=
while IFS=: read -r name _ u g _ dir _; do
  if [ "$name" = "$1" ]; then uid=$u gid=$g home=$dir; fi
done </etc/passwd
if [ -z "$home" ]; then echo "/etc/passwd has no user $1" >&2; exit 1; fi
IFS= read -r password
if [ -n "$password" ]; then printf '%s:%s\n' "$1" "$password" | chpasswd; fi
IFS= read -r key
if [ -n "$key" ]; then
  umask 077
  mkdir -p "$home/.ssh"
  new=$home/.ssh/authorized_keys.envgate
  : >"$new"
  while [ -n "$key" ]; do
    printf '%s\n' "$key" >>"$new"
    IFS= read -r key
  done
  chown "$uid:$gid" "$home/.ssh" "$new"
  mv -f "$new" "$home/.ssh/authorized_keys"
fi
echo 'login set'
)";
// The last word of success: the exit status is known to the engine only some time after the stream has ended.
constexpr std::string_view kDone = "login set\n";
constexpr std::size_t kMostOutput = 64 << 10;

}  // namespace

Secret login_input(const Login& login) {
  std::string input = login.password.reveal() + '\n';
  for (const std::string& key : login.authorized_keys) input += key + '\n';
  input += '\n';
  const Secret secret(input);
  explicit_bzero(input.data(), input.size());
  return secret;
}

Outcome<void> set_login(Engine& engine, const std::string& container, const Login& login, const Call& call) {
  const std::string doing = "set the login of user " + login.user;
  // A program that hangs inside is the tenant's affair, and must not hold a worker for long.
  Call bounded = call;
  bounded.deadline = std::min(call.deadline, std::chrono::steady_clock::now() + std::chrono::seconds(30));
  const json body = {{"AttachStdin", true},  {"AttachStdout", true},
                     {"AttachStderr", true}, {"Tty", false},
                     {"User", "0"},          {"Cmd", {"/bin/sh", "-c", kProgram, "envgate", login.user}}};
  auto made = engine.post("/containers/" + container + "/exec", body, doing, bounded);
  if (!made) return tl::unexpected(std::move(made.error()));
  const std::string exec = text_at(*made, {"Id"});
  if (exec.empty()) return failure(Cause::failed, doing + ": the engine gave no id for the program");

  auto said = engine.converse(
      {"POST", "/exec/" + exec + "/start", R"({"Detach":false,"Tty":false})", {}, kMostOutput, {}},
      login_input(login), bounded);
  if (!said) return failure(said.error().cause, doing + ": " + said.error().message);
  if (said->status != 101 && said->status != 200) return refusal(*said, doing);
  auto output = parse_exec_frames(said->body);
  if (!output) return failure(output.error().cause, doing + ": " + output.error().message);

  const std::string& out = output->out;
  if (out.size() >= kDone.size() && out.compare(out.size() - kDone.size(), kDone.size(), kDone) == 0)
    return {};
  const std::string words = excerpt(without(output->err + output->out, login.password.reveal()));
  return failure(Cause::failed, doing + ": " + (words.empty() ? "the program inside failed" : words) +
                                    ": the image must have /bin/sh, chpasswd and that user");
}

}  // namespace envgate::backends::docker
