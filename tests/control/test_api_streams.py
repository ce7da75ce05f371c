"""Events and the gateways' feed: readers that do not read, and those that come back."""
import json
import time

import pytest

from lone_plane import plane, sockets_of, spec, sql  # noqa: F401
from plane import Refused, wait_for
from wire import Wire

WRITE_LIMIT = 10  # seconds: kWrite of control/api/server.cpp
MANY = 6000       # fewer than are kept; more than a socket holds


class Reader:
    """Of one stream. `new` is what came since the last look."""

    def __init__(self, plane, path, **fields):
        self.wire = Wire(plane.socket).ask("GET", path, **fields)
        status, self.fields = self.wire.head()
        assert status == 200
        self.text = b""

    def close(self):
        self.wire.socket.close()

    def take(self):
        self.text += self.wire.chunk()

    def rest(self):
        """All that is still there; False where it did not end."""
        ended = self.wire.has_ended()
        try:
            while self.wire.buffer:
                self.take()
        except (ConnectionError, ValueError, OSError):
            pass  # a chunk that was begun
        return ended


class Events(Reader):
    def next(self):
        """The next (id, kind, data)."""
        while True:
            while b"\n\n" not in self.text:
                self.take()
            text, self.text = self.text.split(b"\n\n", 1)
            fields = dict(line.split(": ", 1) for line in text.decode().split("\n"))
            if "id" in fields:
                return int(fields["id"]), fields["event"], json.loads(fields["data"])


class Feed(Reader):
    def next(self):
        while True:
            while b"\n" not in self.text:
                self.take()
            line, self.text = self.text.split(b"\n", 1)
            told = json.loads(line)
            if told["type"] != "alive":
                return told

    def begin(self):
        told = self.next()
        assert told["type"] == "begin"
        while told["type"] != "end":
            told = self.next()
        return told["generation"]


def heads(plane):
    """The newest event's number, and the newest route's."""
    with_status = plane.ask("GET", "/api/status")
    reader = Events(plane, "/api/events?after=0")
    made = plane.ask("POST", "/api/environments", spec(name="marker"))["environment"]["id"]
    while True:
        number, _, data = reader.next()
        if data["environment"] == made:
            reader.close()
            return number, with_status["route_generation"] + 1


def add_events(plane, first, count, size=1000):
    rows = [(n, "x" * 16, "flood", json.dumps({"text": "y" * size})) for n in range(first, first + count)]
    sql(plane, ("INSERT INTO events (seq, at, environment, kind, body) VALUES (?, 1, ?, ?, ?)", rows),
        ("UPDATE head SET event_seq = ?", [(first + count - 1,)]))


def add_routes(plane, first, count, size=1000):
    rows = [(n, f"flood{n}", json.dumps({"env": f"flood{n}", "text": "y" * size}))
            for n in range(first, first + count)]
    sql(plane, ("INSERT INTO outbox VALUES (?, ?, ?)", rows),
        ("UPDATE head SET outbox_seq = ?", [(first + count - 1,)]))


def ticks(plane, count):
    """So many looks of every stream: the feed says that it is alive at each without a change."""
    feed = Feed(plane, "/api/routes?watch=1")
    feed.begin()
    while feed.text.count(b'"alive"') < count:
        feed.take()
    feed.close()


def test_who_does_not_read_is_cut_off_and_holds_nobody_up(plane):
    event, route = heads(plane)
    wait_for(lambda: sockets_of(plane) == 0, "nobody else is there", 10)
    stalled = [Events(plane, "/api/events"), Feed(plane, "/api/routes?watch=1")]
    stalled[1].begin()
    events, feed = Events(plane, "/api/events"), Feed(plane, "/api/routes?watch=1")
    route = feed.begin()
    began = time.monotonic()
    add_events(plane, event + 1000, MANY)  # numbers of ours, past any that a pass makes meanwhile
    add_routes(plane, route + 1, MANY)
    seen = []
    while len(seen) < MANY:
        number, kind, _ = events.next()
        if kind == "flood":
            seen.append(number)
    assert seen == list(range(event + 1000, event + 1000 + MANY))
    generations = [feed.next()["generation"] for _ in range(MANY)]
    assert generations == list(range(route + 1, route + 1 + MANY))
    plane.ask("POST", "/api/environments", spec())
    assert time.monotonic() - began < WRITE_LIMIT, "others waited for those that do not read"
    wait_for(lambda: sockets_of(plane) == 4, "the four streams alone are there", WRITE_LIMIT / 3)
    wait_for(lambda: sockets_of(plane) == 2, "who does not read is cut off", 3 * WRITE_LIMIT)
    assert time.monotonic() - began > WRITE_LIMIT - 1
    for reader in stalled:
        assert reader.rest(), "it is told by the end of its connection"
        assert len(reader.text) < MANY * 1000, "it was not given everything"
    assert b'"generation":' + str(route + 1).encode() in stalled[1].text

    # As a browser does: again from the last one that came whole.
    whole = stalled[0].text.rsplit(b"\n\n", 1)[0] if stalled[0].text else b""
    last = [int(line[4:]) for line in whole.split(b"\n") if line.startswith(b"id: ")][-1]
    assert event + 1000 <= last < event + 1000 + MANY - 1
    again = Events(plane, "/api/events", Last_Event_ID=str(last))
    assert [again.next()[0] for _ in range(50)] == list(range(last + 1, last + 51))
    for reader in (events, feed, again):
        reader.close()
    wait_for(lambda: sockets_of(plane) == 0, "all are closed", 10)


def test_an_old_place_is_told_that_events_are_lost(plane):
    event, _ = heads(plane)
    reader = Events(plane, "/api/events", Last_Event_ID=str(event))
    add_events(plane, event + 100, 10, 10)
    while reader.next()[0] != event + 109:
        pass
    sql(plane, ("DELETE FROM events WHERE seq < ?", [(event + 105,)]))
    kept = list(range(event + 105, event + 110))
    cut = Events(plane, "/api/events", Last_Event_ID=str(event + 101))
    number, kind, data = cut.next()
    assert (number, kind, data["kind"]) == (event + 104, "events_lost", "events_lost")
    assert [cut.next()[0] for _ in kept] == kept
    whole = Events(plane, "/api/events", Last_Event_ID=str(event + 104))
    assert [whole.next()[0] for _ in kept] == kept, "nothing is lost where the next one is kept"
    ahead = Events(plane, "/api/events", Last_Event_ID=str(event + 10**9))
    assert ahead.next()[:2] == (event + 104, "events_lost"), "of another database"
    assert [ahead.next()[0] for _ in kept] == kept
    start = Events(plane, "/api/events?after=0")
    assert [start.next()[0] for _ in kept] == kept
    for stream in (reader, cut, whole, ahead, start):
        stream.close()
    for wrong in ("x", "-1", "1.5", "99999999999999999999"):
        with pytest.raises(Refused) as refused:
            plane.ask("GET", "/api/events", Last_Event_ID=wrong)
        assert refused.value.status == 422, wrong


def test_a_reader_of_one_environment_misses_nothing_by_others(plane):
    made = plane.ask("POST", "/api/environments", spec())["environment"]["id"]
    event, _ = heads(plane)
    reader = Events(plane, f"/api/events?environment={made}", Last_Event_ID=str(event))
    add_events(plane, event + 100, 20, 10)
    plane.ask("PATCH", f"/api/environments/{made}", {"name": "first"})
    kind = None
    while kind != "environment_update":
        number, kind, data = reader.next()
        assert data["environment"] == made
    add_events(plane, event + 1000, 20, 10)
    ticks(plane, 2)  # it looks each time, and goes past what is not its own
    sql(plane, ("DELETE FROM events WHERE seq < ?", [(event + 1010,)]))
    plane.ask("PATCH", f"/api/environments/{made}", {"name": "second"})
    kinds = []
    while "environment_update" not in kinds:
        kinds.append(reader.next()[1])
    assert "events_lost" not in kinds, "those were not its own"
    reader.close()


def test_a_feed_whose_place_is_gone_begins_again(plane):
    feed = Feed(plane, "/api/routes?watch=1")
    generation = feed.begin()
    sql(plane, ("UPDATE head SET outbox_seq = ?", [(generation + 5,)]),
        ("INSERT INTO outbox VALUES (?, 'x', '')", [(generation + 5,)]))
    assert feed.rest()
    again = Feed(plane, "/api/routes?watch=1")
    assert again.begin() >= generation + 5
    again.close()
