"""What the quickstart writes into its data directory for the two programs, for ssh and for people."""
SETTINGS = """\
# The settings of the quickstart's gateway and control plane, written by conf/quickstart at each start.
# conf/envgate.yaml documents every key.
domain: {domain}
routes:
  source: control
  control: {{socket: {data}/control.sock}}
  snapshot: {data}/routes.snapshot
  # The networks of containers, and this machine itself, which is refused unless listed.
  allowed_targets: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 127.0.0.0/8]
ssh:
  bind: 127.0.0.1
  port_range: {ssh_range}
{audited}https:
  bind: 127.0.0.1:{https_port}
  certificates:
    - {{certificate: {data}/tls/gateway.pem, key: {data}/tls/gateway.key}}
http:
  bind: 127.0.0.1:{http_port}
private:
  key_file: {data}/keys/tickets
admin:
  socket: {data}/admin.sock
metrics:
  bind: 127.0.0.1:{metrics_port}
timeouts:
  drain: 5s
control:
  socket: {data}/control.sock
  store: sqlite:{data}/control.db
  key_file: {data}/keys/control
  tickets: {{key_file: {data}/keys/tickets}}
  public: {{https_port: {https_port}}}
  ports: {{ssh: {leased}}}
  docker: {{socket: {engine}, grace: 3s}}
"""

# Where envgate-session was built (conf/libssh).
AUDITED = """\
  # Sessions of environments that were made with --ssh-mode audited: recorded, and entered by this port, too.
  audited:
    host_key_file: {data}/keys/ssh_host_key
    bind: 127.0.0.1:{audited_port}
audit:
  records:
    directory: {data}/records
    key_file: {data}/keys/record
    min_free: 64MiB
"""

SSH_CONFIG = """\
# For `ssh -F`: the demo of the quickstart gateway, found without DNS.
Host demo {ssh_host}
  HostName 127.0.0.1
  Port {ssh_port}
  User root
  IdentityFile "{data}/keys/demo"
  IdentitiesOnly yes
  HostKeyAlias {ssh_host}
  UserKnownHostsFile "{data}/known_hosts"

"""

# Any other environment, whatever its port: through TLS, where the name travels in the handshake.
SSH_CONFIG_TLS = """\
Host *.ssh.{domain} !{ssh_host}
  ProxyCommand openssl s_client -quiet -verify_quiet -verify_return_error -CAfile "{data}/ca.pem" \
-connect 127.0.0.1:{https_port} -servername %h
"""


def settings(engine, audited_port, **values):
    """`audited_port`: None where audited sessions cannot be served."""
    data = quotable(values["data"])
    audited = AUDITED.format(data=data, audited_port=audited_port) if audited_port else ""
    return SETTINGS.format(**{**values, "data": data, "audited": audited,
                              "engine": quotable(engine) if engine else '""'})


def quotable(path):
    """A path as it may stand in the YAML above."""
    text = str(path)
    if any(c in text for c in "\"'#:{}[],&*!|>%@`\\\n") or text != text.strip():
        raise RuntimeError(f"the path {text!r} has a character that the settings cannot hold plainly; "
                           f"choose another directory with --data")
    return text


def ssh_config(**values):
    """`ssh_host` is the demo's, or empty where there is none."""
    text = SSH_CONFIG.format(**values) if values["ssh_host"] else ""
    return text + SSH_CONFIG_TLS.format(**values).replace(" !\n", "\n")
