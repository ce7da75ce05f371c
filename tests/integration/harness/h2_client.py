"""A small HTTP/2 client on the h2 library, for what curl does not do:
several authorities on one connection, and WebSocket streams (RFC 8441)."""
import h2.config
import h2.connection
import h2.events
import h2.settings

from .http_client import RawTls


class Stream:
    def __init__(self):
        self.status = None
        self.headers = []
        self.data = bytearray()
        self.ended = False
        self.reset = None
        self.trailers = None


class H2Client:
    def __init__(self, gateway, name, seconds=10):
        self.tls = RawTls(gateway, name, alpn=("h2",), seconds=seconds)
        assert self.tls.sock.selected_alpn_protocol() == "h2"
        self.port = gateway.https_port
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams = {}
        self.held = set()  # streams whose data is not acknowledged, so that their window stays closed
        self.goaway = None
        self.closed = self.settings_came = False
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.tls.send(data)

    def pump(self):
        """Reads once and takes what came. False at the end of the connection."""
        data = self.tls.recv()
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()
        return True

    def _take(self, event):
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code
            if event.error_code == 0:
                # The library takes every GOAWAY for the end; by RFC 9113, section 6.8, open streams go on.
                self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings_came = True
        stream = self.streams.get(getattr(event, "stream_id", None))
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = event.headers
            stream.status = int(dict(event.headers)[":status"])
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data
            if event.stream_id in self.held:
                self.h2.increment_flow_control_window(event.flow_controlled_length)  # the connection's alone
            else:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset, stream.ended = event.error_code, True

    def pump_until(self, condition, what="what was waited for"):
        while not condition():
            assert self.pump(), f"the connection ended (GOAWAY {self.goaway}) before {what}"

    def settings(self):
        """The server's settings, once they have come."""
        self.pump_until(lambda: self.settings_came, "its SETTINGS")
        return self.h2.remote_settings

    def hold_back(self, stream_id):
        self.held.add(stream_id)

    def request(self, headers, end=True):
        stream_id = self.h2.get_next_available_stream_id()
        self.streams[stream_id] = Stream()
        self.h2.send_headers(stream_id, headers, end_stream=end)
        self.flush()
        return stream_id

    def get(self, host, path="/", extra=()):
        """(status, headers, body) of a GET."""
        number = self.request([(":method", "GET"), (":scheme", "https"),
                               (":authority", f"{host}:{self.port}"), (":path", path), *extra])
        stream = self.streams[number]
        self.pump_until(lambda: stream.ended, f"the answer for {host}{path}")
        return stream.status, stream.headers, bytes(stream.data)

    def send(self, stream_id, data, end=False):
        """Sends within the windows, reading while they are closed."""
        while data:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if room == 0:
                self.pump_until(lambda: self.h2.local_flow_control_window(stream_id) > 0, "a window update")
                continue
            self.h2.send_data(stream_id, data[:room])
            data = data[room:]
            self.flush()
        if end:
            self.h2.end_stream(stream_id)
            self.flush()

    def close(self):
        self.tls.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
