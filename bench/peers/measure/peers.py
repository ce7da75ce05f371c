"""Everybody who is measured, by name: the proxies of connections, and what SSH sessions go through."""
from . import proxies, ssh_proxies

PEERS = {**proxies.PEERS, **ssh_proxies.SESSION_PEERS}
ALL = {**proxies.OURS, **ssh_proxies.SESSION_OURS, **PEERS}
