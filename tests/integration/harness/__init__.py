"""What the integration tests stand on: the real programs and the peers around them, each on loopback and on
ports of its own, each ended by its pid. A test imports from here; what names the product's own interface
(settings, metrics, admin paths) is in contract.py and gateway.py alone."""
from . import contract
from .ca import Ca
from .echo_target import EchoTarget
from .feed_server import FeedServer
from .gateway import Gateway
from .http_client import curl, RawTls
from .http_target import HttpTarget
from .machine import BIG, BIN, SANITIZED, SLOW, debian_tool, need
from .ports import free_port, free_ports
from .process import Process, run
from .redis_server import Redis
from .routes import RouteFile
from .ssh_target import Sshd
from .wait import Deadline, wait_for

__all__ = ["BIG", "BIN", "Ca", "Deadline", "EchoTarget", "FeedServer", "Gateway", "HttpTarget", "Process",
           "RawTls", "Redis", "RouteFile", "SANITIZED", "SLOW", "Sshd", "contract", "curl", "debian_tool",
           "free_port", "free_ports", "need", "run", "wait_for"]
