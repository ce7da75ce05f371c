#include "control/cli/quota_commands.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "control/cli/body_file.hpp"
#include "control/cli/control_command.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr Option kSetOptions[] = {
    {"--cpu", 0, "N", "cores"},
    {"--memory", 'm', "SIZE", "such as 64GiB"},
    {"--gpu", 0, "N", "GPUs"},
    {"--storage", 0, "SIZE", "disk"},
    {"--environments", 0, "N", "environments"},
    kOutput,
    kControlSocket,
    kTimeout,
};

constexpr Column kColumns[] = {
    {"OWNER", "/owner"},
    {"CPU", "/cpu", As::used},
    {"MEMORY", "/memory", As::used_bytes},
    {"GPU", "/gpu", As::used},
    {"STORAGE", "/storage", As::used_bytes},
    {"ENVIRONMENTS", "/environments", As::used},
};
constexpr ListShape kList{"quotas", kColumns, "no quotas"};
constexpr Column kLines[] = {
    {"owner", "/owner"},
    {"cpu", "/cpu", As::used},
    {"memory", "/memory", As::used_bytes},
    {"gpu", "/gpu", As::used},
    {"storage", "/storage", As::used_bytes},
    {"environments", "/environments", As::used},
};

constexpr BodyOption kMembers[] = {{"--cpu", "/cpu", Kind::number},
                                   {"--memory", "/memory"},
                                   {"--gpu", "/gpu", Kind::number},
                                   {"--storage", "/storage"},
                                   {"--environments", "/environments", Kind::number}};

std::string target_of(const Invocation& call) { return "/api/quotas/" + encode_segment(call.words[0]); }

// Control answers cores as 8.0, and takes a whole number for them: what it said is sent back as it takes it.
Json as_asked(const Json& amount) {
  if (!amount.is_number_float()) return amount;
  const double value = amount.get<double>();
  const bool is_whole = value >= 0 && value < 9e15 && value == std::floor(value);
  return is_whole ? Json(static_cast<std::uint64_t>(value)) : amount;
}

Asked<void> run_ls(const Invocation& call, const ControlClient& client) {
  return list_and_print(call, client, "/api/quotas", kList);
}

Asked<void> run_show(const Invocation& call, const ControlClient& client) {
  return print_answer(call, client.get(target_of(call)), kLines);
}

// A PUT says all of it: what no option names stays as it is now, and If-Match sees to it that it is still so.
Asked<void> run_set(const Invocation& call, const ControlClient& client) {
  Json body = Json::object();
  if (auto taken = take_body_options(call, kMembers, body); !taken) return taken;
  if (body.empty()) return refuse("nothing to set; see envctl quota set --help", kMisuse);
  Change change{"PUT", target_of(call)};
  const auto now = client.ask(client.request("GET", change.target));
  if (!now && now.error().code != kNotFound) return tl::unexpected(now.error());
  if (now) {
    const auto old = json_of(*now);
    if (!old) return tl::unexpected(old.error());
    for (const BodyOption& member : kMembers) {
      const std::string name = member.path + 1;
      if (!body.contains(name) && old->contains(name)) body[name] = as_asked(old->at(name));
    }
    change.if_match = now->etag;
  }
  change.body = to_json_line(body);
  const auto quota = client.change(change);
  if (!quota) return tl::unexpected(quota.error());
  return quota->is_null() ? run_show(call, client) : print_entry(call, *quota, kLines);
}

Asked<void> run_rm(const Invocation& call, const ControlClient& client) {
  const auto gone = client.change({"DELETE", target_of(call)});
  if (!gone) return tl::unexpected(gone.error());
  print(stdout,
        "owner " + printable(call.words[0]) + " has no quota now: nothing more can be created for them\n");
  return {};
}

constexpr Option kRmOptions[] = {kControlSocket, kTimeout};

constexpr Command kCommands[] = {
    {"quota ls", "", 0, 0, kListOptions, "List quotas, and what is used of them", "", with_control<run_ls>},
    {"quota show", "OWNER", 1, 1, kAskOptions, "Show an owner's", "", with_control<run_show>},
    {"quota set", "OWNER", 1, 1, kSetOptions, "Set an owner's",
     "\nWhat no option names stays as it is; where the owner has none yet, name all five.\n",
     with_control<run_set>},
    {"quota rm", "OWNER", 1, 1, kRmOptions, "Take an owner's away", "", with_control<run_rm>},
};

}  // namespace

std::span<const Command> quota_commands() { return kCommands; }

}  // namespace envgate::cli
