"""A session process in an attacker's hand, in place of envgate-session: what the client says, a line of
hexadecimal digits for each packet, it says to the monitor, and what the monitor says comes back the same way.
The keeper and all of its sessions are this one process. Run by the gateway, which speaks to it over
descriptor 3."""
import selectors
import socket
import struct

SPAWN, KILL, GONE = range(3)


class Session:
    def __init__(self, puppets, number, client, monitor):
        self.puppets, self.number, self.client, self.monitor = puppets, number, client, monitor
        self.line = b""
        for sock, read in ((client, self.from_client), (monitor, self.from_monitor)):
            sock.setblocking(True)
            puppets.selector.register(sock, selectors.EVENT_READ, read)

    def from_client(self):
        data = self.client.recv(1 << 20)
        *lines, self.line = (self.line + data).split(b"\n")
        for line in lines:
            self.monitor.send(bytes.fromhex(line.decode()))
        if not data:
            self.end(0)

    def from_monitor(self):
        data, descriptors, _, _ = socket.recv_fds(self.monitor, 1 << 20, 4)
        for descriptor in descriptors:
            socket.close(descriptor)
        if data:
            return self.client.sendall(data.hex().encode() + b"\n")
        self.end(0)

    def end(self, status):
        for sock in (self.client, self.monitor):
            self.puppets.selector.unregister(sock)
            sock.close()
        del self.puppets.sessions[self.number]
        self.puppets.gateway.send(struct.pack(">BQiQ", GONE, self.number, status, 0))


class Puppets:
    def __init__(self):
        self.gateway = socket.socket(fileno=3)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.gateway, selectors.EVENT_READ, self.hear)
        self.sessions = {}

    def hear(self):
        data, descriptors, _, _ = socket.recv_fds(self.gateway, 64, 4)
        if not data:
            raise SystemExit
        kind, number = struct.unpack(">BQ", data)
        if kind == SPAWN:
            self.sessions[number] = Session(self, number, *(socket.socket(fileno=one) for one in descriptors))
        elif kind == KILL and number in self.sessions:
            self.sessions[number].end(9)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj.fileno() < 0:
                    continue  # ended by one before it
                try:
                    key.data()
                except (BrokenPipeError, ConnectionResetError, OSError):
                    gone = getattr(key.data, "__self__", None)
                    if isinstance(gone, Session) and gone.number in self.sessions:
                        gone.end(0)


if __name__ == "__main__":
    Puppets().run()
