"""What the quickstart writes into its data directory for the gateway, for ssh and for people."""

SETTINGS = """\
# The quickstart gateway's settings, written by conf/quickstart at each start.
# conf/envgate.yaml documents every key.
domain: {domain}
routes:
  source: file
  file: {data}/routes.yaml
  snapshot: {data}/routes.snapshot
  # The demo environment is this machine itself, which is refused unless listed.
  allowed_targets: [127.0.0.0/8]
ssh:
  bind: 127.0.0.1
  port_range: {ssh_range}
https:
  bind: 127.0.0.1:{https_port}
  certificates:
    - {{certificate: {data}/tls/gateway.pem, key: {data}/tls/gateway.key}}
http:
  bind: 127.0.0.1:{http_port}
admin:
  socket: {data}/admin.sock
metrics:
  bind: 127.0.0.1:{metrics_port}
timeouts:
  drain: 5s
"""

DEMO_ROUTES = """\
# The quickstart's routes, written at each start; a change is obeyed at once and kept until the next one.
routes:
  - env: demo
    generation: {generation}
    kind: container
    state: running
    address: 127.0.0.1
    ssh: {{listen_port: {ssh_port}, target_port: {sshd_port}}}
    http:
      - {{port: 8888, target_port: {web_port}, scheme: http, access: public}}
"""

NO_ROUTES = """\
# The gateway's routes. A change is obeyed at once; this file is yours. An example:
#
#   - env: demo
#     generation: 1                 # raise it with each change
#     kind: container               # physical | container | vm | pod
#     state: running
#     address: 127.0.0.1            # must lie in routes.allowed_targets (envgate.yaml beside this file)
#     ssh: {{listen_port: {ssh_port}, target_port: 22}}
#     http:
#       - {{port: 8888, target_port: 8888, scheme: http, access: public}}
routes: []
"""

SSH_CONFIG = """\
# For `ssh -F`: environments of the quickstart gateway, found without DNS.
Host demo.ssh.{domain}
  HostName 127.0.0.1
  Port {ssh_port}
  User {user}
  IdentityFile "{demo}/demo_key"
  IdentitiesOnly yes
  HostKeyAlias demo.ssh.{domain}
  UserKnownHostsFile "{demo}/known_hosts"

"""

# Any environment, whatever its port: through TLS, where the name travels in the handshake.
SSH_CONFIG_TLS = """\
Host *.ssh.{domain} !demo.ssh.{domain}
  ProxyCommand openssl s_client -quiet -verify_quiet -verify_return_error -CAfile "{data}/ca.pem" \
-connect 127.0.0.1:{https_port} -servername %h
"""


def settings(**values):
    return SETTINGS.format(**{**values, "data": quotable(values["data"])})


def quotable(path):
    """A path as it may stand in the YAML above."""
    text = str(path)
    if any(c in text for c in "\"'#:{}[],&*!|>%@`\\\n") or text != text.strip():
        raise RuntimeError(f"the path {text!r} has a character that the settings cannot hold plainly; "
                           f"choose another directory with --data")
    return text


def ssh_config(with_demo, **values):
    text = SSH_CONFIG.format(**values) if with_demo else ""
    return text + SSH_CONFIG_TLS.format(**values)
