"""The cases, by name, in the order in which they are told. A case is a function from the bench to its
figures."""
from . import changes, http, idle, latency, ssh, ssh_sessions, ssh_transfers, table, tls, websocket

CASES = {**http.CASES, **tls.CASES, **websocket.CASES, **latency.CASES, **idle.CASES, **ssh.CASES,
         **ssh_sessions.CASES, **ssh_transfers.CASES, **changes.CASES, **table.CASES, **changes.VISIBLE}
