"""The names of the product's interface that tests rely on: settings, admin paths, metrics and log events.
They are said here once."""

from .machine import BIN

ADMIN_HEALTH = "/healthz"
ADMIN_READY = "/readyz"
ADMIN_METRICS = "/metrics"
ADMIN_ROUTES = "/routes"
ADMIN_SESSIONS = "/sessions"

# Metrics: what was refused, by the label `reason`.
REFUSED = "envgate_refusals_total"
NOT_SSH = "client_not_ssh"
TARGET_CONNECTS = "envgate_target_connects_total"
BANNER_TIMEOUT = "client_too_slow"
RELOADS = "envgate_reloads_total"  # by `result`: ok, failed

# Log events.
SSH_EVENT = "ssh_connection"
REQUEST_EVENT = "http_request"
DRAIN_EVENT = "draining"
CUT_EVENT = "connections_cut"


def settings(ports, directory, ca, domain):
    """The settings of a gateway on loopback, before a test changes any.
    Short deadlines where a test waits for one."""
    return {
        "domain": domain,
        "workers": 2,
        "routes": {"source": "file", "file": str(directory / "routes.yaml"), "snapshot": "",
                   "allowed_targets": ["127.0.0.0/8"]},
        "ssh": {"bind": "127.0.0.1", "port_range": f"{ports['ssh'][0]}-{ports['ssh'][1]}"},
        "https": {"bind": f"127.0.0.1:{ports['https']}", "certificates": [ca.leaf()]},
        "http": {"bind": f"127.0.0.1:{ports['http']}"},
        "admin": {"socket": str(directory / "admin.sock")},
        "audit": {"records": {"directory": str(directory / "records"),
                              "key_file": str(directory / "record.key"), "min_free": "0"}},
        "metrics": {"bind": f"127.0.0.1:{ports['metrics']}"},
        "timeouts": {"drain": "10s"},
        "log": {"level": "debug", "file": "-"},
        # Everything comes from 127.0.0.1 here, which the limits for one source would take for one customer.
        "limits": {"connections_per_source": 50000, "connection_rate_per_source": 50000,
                   "requests_per_source": 500000, "connections_per_environment": 50000,
                   "requests_per_environment": 500000},
    }


def envctl_connect(gateway, host):
    """The ProxyCommand that brings ssh to `host` through TLS, told where this test's gateway is."""
    return f"{BIN / 'envctl'} connect {host} --gateway 127.0.0.1:{gateway.https_port} --ca {gateway.ca.file}"
