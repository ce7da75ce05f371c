"""What the attacks are made on: an environment whose target reads requests as h11 does,
which nobody here wrote."""
import h11

ENV = "victim"


def answer_each(connection):
    """An EchoTarget's script. Each request is answered with 200 and "ok",
    that of /hints/N with N large 103s first, and of /deaf nothing more is read.
    An error ends the connection."""
    server = h11.Connection(h11.SERVER)
    hints = 0
    try:
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                server.receive_data(connection.recv())
            elif isinstance(event, h11.Request):
                if event.target == b"/deaf":
                    return connection.wait_until_left()
                hints = int(event.target.split(b"/")[2]) if event.target.startswith(b"/hints/") else 0
            elif isinstance(event, h11.EndOfMessage):
                connection.send((b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 15000 + b"\r\n\r\n") * hints)
                connection.send(server.send(h11.Response(status_code=200, headers=[("content-length", "2")])))
                connection.send(server.send(h11.Data(data=b"ok")) + (server.send(h11.EndOfMessage()) or b""))
                if h11.MUST_CLOSE in (server.our_state, server.their_state):
                    return
                server.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                return
    except h11.RemoteProtocolError:
        pass
