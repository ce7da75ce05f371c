#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/cli/env_body.hpp"
#include "control/cli/env_commands.hpp"
#include "control/cli/operation_wait.hpp"

namespace envgate::cli {
namespace {

constexpr Option kOptions[] = {
    {"--file", 'f', "FILE", "the whole of it in YAML or JSON; - is standard input; options go above it"},
    {"--owner", 0, "OWNER", "whose it is"},
    {"--image", 'i', "IMAGE", "what its container is made of"},
    {"--backend", 0, "docker|physical", "what it runs on (docker if left out)"},
    {"--cpu", 0, "N", "cores, such as 2 or 0.5"},
    {"--memory", 'm', "SIZE", "such as 16GiB"},
    {"--shm", 0, "SIZE", "shared memory"},
    {"--pids", 0, "N", "processes and threads at most"},
    {"--storage", 0, "SIZE", "disk at most"},
    {"--gpu", 0, "N", "so many GPUs"},
    {"--gpu-model", 0, "MODEL", "only of this model"},
    {"--gpu-mode", 0, "exclusive|shared|mig", "how it has them"},
    {"--mount", 0, "TYPE:SOURCE:TARGET[:ro]", "such as volume:data:/data", true},
    {"--port", 'p', "PORT[:ACCESS[:SCHEME]]", "a port to open: 8888, 8888:private, 8443:public:https", true},
    {"--env", 'e', "KEY=VALUE", "a variable in it", true},
    {"--command", 0, "WORD", "a word of the command that replaces the image's own", true},
    {"--key", 'k', "FILE", "public keys that may log in: a file of them, or one key's text", true},
    {"--ssh-mode", 0, "passthrough|audited", "how ssh comes to it"},
    {"--user", 0, "USER", "who logs in (root if left out)"},
    {"--machine", 0, "MACHINE", "with --backend physical: that machine"},
    {"--selector", 0, "KEY=VALUE",
     "with --backend physical: any machine with at least that: region, gpu_model, gpus,\n"
     "                            cpu, memory, disk",
     true},
    {"--pull", 0, "missing|always|never", "when the image is fetched"},
    {"--registry-user", 0, "USER", "who fetches the image"},
    {"--registry-password", 0, "FILE", "a file with the password for that; - is standard input"},
    {"--node", 0, "NODE", "the Docker engine that runs it (the least used if left out)"},
    {"--keep-volumes", 0, "", "its named volumes stay when it is deleted, as by --policy volumes=keep"},
    {"--policy", 0, "KEY=VALUE", "volumes=keep, start=on_demand or allow_from=10.0.0.0/8,10.1.2.3", true},
    {"--start", 0, "manual|on_demand",
     "on_demand: stopped, it starts when somebody comes (manual if left out)"},
    {"--share-with", 0, "OWNER", "whose keys open it, too, where it is audited", true},
    {"--forbid", 0, "agent|x11|local_forwarding|remote_forwarding|unix_forwarding|sftp|exec|shell|pty",
     "forbidden in audited sessions", true},
    {"--record-input", 0, "", "what is typed in audited sessions is recorded, too"},
    {"--force-command", 0, "COMMAND", "runs in place of whatever an audited session asks for"},
    {"--dry-run", 0, "", "only check; nothing is made"},
    {"--idempotency-key", 0, "TEXT", "what is asked for again with the same key is not made again"},
    kWait,
    kOutput,
    kControlSocket,
    kTimeout,
};

// A header's value: RFC 9110 section 5.5 without spaces, so that nothing can follow it.
bool is_key(const std::string& text) {
  return !text.empty() && text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Asked<void> run_create(const Invocation& call, const ControlClient& client) {
  const auto body = environment_body(call);
  if (!body) return tl::unexpected(body.error());
  const auto wait = wait_of(call);
  if (!wait) return tl::unexpected(wait.error());
  const std::string key = call.value("--idempotency-key");
  if (call.has("--idempotency-key") && !is_key(key))
    return refuse("--idempotency-key is 1 to 255 visible ASCII characters", kMisuse);
  const bool dry = call.has("--dry-run");
  Change change;
  change.target = dry ? "/api/environments?dry_run=1" : "/api/environments";
  change.body = to_json_line(*body);
  change.key = key;
  auto answer = client.change(change);
  if (!answer) return tl::unexpected(answer.error());
  if (!dry) return finish_change(call, client, std::move(*answer));
  const Format format = *format_of(call);
  if (format == Format::json || format == Format::yaml) return print_entry(call, *answer, {});
  print(stdout, "the environment could be created as it is; nothing was created\n");
  return {};
}

}  // namespace

Command env_create_command() {
  return {
      "env create",
      "[NAME]",
      0,
      1,
      kOptions,
      "Create an environment",
      "\nSuch as: envctl env create training --owner alice --image pytorch:2 --cpu 4 --memory 16GiB --gpu 1 "
      "\\\n"
      "           --port 8888 --key ~/.ssh/id_ed25519.pub --wait\n"
      "Or all of it in a file, as the API has it: name, owner, backend, spec and policy.\n",
      with_control<run_create>};
}

}  // namespace envgate::cli
