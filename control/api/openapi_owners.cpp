// OpenAPI of what owners have and of what gateways ask for.
#include "control/api/openapi_parts.hpp"
#include "control/api/openapi_schemas.hpp"

namespace envgate::control::api {

using namespace schema;

namespace {

json ssh_policy() {
  return open_object({{"forbid", list(words({"agent", "x11", "local_forwarding", "remote_forwarding",
                                             "unix_forwarding", "sftp", "exec", "shell", "pty"}))},
                      {"record_input", flag()},
                      {"force_command", text()}});
}

}  // namespace

void add_owner_schemas(json& all) {
  all["SshPolicy"] = ssh_policy();
  all["Owner"] =
      object({{"owner", text()}, {"policy", object({{"ssh", ref("SshPolicy")}})}, {"totp", flag()}});
  all["OwnerKey"] = object({{"fingerprint", text()}, {"public_key", text()}, {"created_at", time_text()}});
  all["Waking"] = object({{"state", words({"starting", "running", "failed", "stopped"})},
                          {"position", whole()},
                          {"step", text()},
                          {"reason", text()},
                          {"operation", nullable(text())}});
  all["Credential"] = object({{"user", text()},
                              {"credential", words({"certificate", "private_key", "password"})},
                              {"secret", text()},
                              {"host_keys", list(text())}});
}

void describe_owner(std::string_view path, std::string_view method, OperationSchemas& s) {
  s.answer = method == "DELETE"
                 ? object({{"owner", text()}, {"fingerprint", text()}, {"removed", flag()}}, {"fingerprint"})
                 : ref("Owner");
  if (path.ends_with("/policy")) s.body = open_object({{"ssh", ref("SshPolicy")}});
  if (path.ends_with("/totp") && method == "PUT")
    s.answer = object({{"owner", text()}, {"secret", text()}, {"uri", text()}});
  if (!path.ends_with("/keys")) return;
  s.answer = object({{"keys", list(ref("OwnerKey"))}, {"next", nullable(text())}});
  if (method == "POST") s.status = 201, s.body = object({{"public_key", text()}}), s.answer = ref("OwnerKey");
}

void describe_gateway(std::string_view path, OperationSchemas& s) {
  if (path.ends_with("/credentials")) {
    s.body = object({{"environment", text()},
                     {"public_key", text()},
                     {"customer", text()},
                     {"source", text()},
                     {"session", text()}});
    s.answer = ref("Credential");
  } else if (path.ends_with("/totp")) {
    s.body = object({{"environment", text()}, {"code", text()}});
    s.answer = object({{"ok", flag()}});
  } else if (path.ends_with("/wake")) {
    s.body = object({{"environment", text()}, {"why", text()}});
    s.status = 202;
    s.answer = ref("Waking");
    s.others[200] = ref("Waking");
  } else {
    s.content_type = "text/event-stream";
    s.answer = text();
  }
}

}  // namespace envgate::control::api
