"""The table of test_attacks.py: what a stranger may send over HTTP/1.1, what is answered, and what the target
may see of it. Longer than most files here because the table is one; a row is a line where it can be."""
import dataclasses

NOTHING = "nothing"      # not one byte
CUT_SHORT = "cut short"  # the beginning of the one request at most, and no end that could be taken for one


@dataclasses.dataclass
class Case:
    name: str
    payload: bytes           # {H} is the environment's public host
    status: int
    seen: object = NOTHING   # or CUT_SHORT, or (method, path, body)
    has: tuple = ()          # what must stand in the bytes that the target got, in lower case
    has_not: tuple = ()      # and what must not
    after: tuple = (200,)    # what the requests behind the payload are answered with

    def __str__(self):
        return self.name


def refused(name, payload, status=400, seen=NOTHING, after=()):
    return Case(name, payload, status, seen, after=after)


def get(name, fields=b"", seen=("GET", "/", b""), line=b"GET / HTTP/1.1", **more):
    return Case(name, line + b"\r\nHost: {H}\r\n" + fields + b"\r\n", 200, seen, **more)


def bad_field(name, field, status=400):
    return refused(name, b"POST / HTTP/1.1\r\nHost: {H}\r\n" + field + b"\r\n\r\n", status)


def bad_line(name, line, status=400):
    return refused(name, line + b"\r\nHost: {H}\r\n\r\n", status)


def framed(name, fields, body=b"5\r\nhello\r\n0\r\n\r\n", version=b"1.1"):
    """Refused for its framing."""
    return refused(name, b"POST /framing HTTP/" + version + b"\r\nHost: {H}\r\n" + fields + b"\r\n" + body)


CHUNKED = b"POST /chunked HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: {H}\r\n\r\n"


def carrier(name, method):
    """A body that is a request."""
    payload = method + b" /carrier HTTP/1.1\r\nHost: {H}\r\nContent-Length: %d\r\n\r\n"
    return Case(name, payload, 200, (method.decode(), "/carrier", HIDDEN))


def not_a_body(name, field, body, has_not):
    """The field is left out, and what follows the head is no body but the next request."""
    payload = b"POST / HTTP/1.1\r\nHost: {H}\r\n" + field + b"\r\n\r\n" + body
    return Case(name, payload, 200, ("POST", "/", b""), has_not=(has_not,), after=(400,))


def bad_chunks(name, body):
    return refused(name, CHUNKED + body, 400, CUT_SHORT)


def chunks(name, body, data=b"hello", **more):
    return Case(name, CHUNKED + body, 200, ("POST", "/chunked", data), **more)


LENGTHS = [
    framed("length and chunked", b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG"),
    framed("chunked and length", b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
    framed("length and a coding of nothing", b"Content-Length: 5\r\nTransfer-Encoding:\r\n", b"hello"),
    framed("two equal lengths", b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    framed("two different lengths", b"Content-Length: 0\r\nContent-Length: 5\r\n", b"hello"),
    framed("a list of equal lengths", b"Content-Length: 5, 5\r\n", b"hello"),
    framed("a length with a sign", b"Content-Length: +5\r\n", b"hello"),
    framed("a negative length", b"Content-Length: -5\r\n", b"hello"),
    framed("a hexadecimal length", b"Content-Length: 0x5\r\n", b"hello"),
    framed("an octal-looking length with a space", b"Content-Length: 0 5\r\n", b"hello"),
    framed("a length with an underscore", b"Content-Length: 1_0\r\n", b"helloworld"),
    framed("no length in the field", b"Content-Length:\r\n", b"hello"),
    framed("a length beyond 63 bits", b"Content-Length: 18446744073709551621\r\n", b"hello"),
    framed("a length of digits that are not ASCII", b"Content-Length: \xc2\xb2\r\n", b"he"),
    framed("a length behind a vertical tab", b"Content-Length: \x0b5\r\n", b"hello"),
    carrier("a request hidden in a body", b"POST"),
    carrier("a request hidden behind GET's body", b"GET"),
    get("a length of zero", b"Content-Length: 0\r\n"),
    get("leading zeros in a length", b"Content-Length: 0000\r\n"),
    # CGI would take these for Transfer-Encoding and Content-Length
    not_a_body("an underscore in Transfer_Encoding", b"Transfer_Encoding: chunked",
               b"5\r\nhello\r\n0\r\n\r\n", b"transfer_encoding"),
    not_a_body("an underscore in Content_Length", b"Content_Length: 7", b"hello\r\n", b"content_length"),
]

CODINGS = [
    *(framed(f"transfer-encoding {value!r}", b"Transfer-Encoding: " + value + b"\r\n") for value in (
        b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked,", b",chunked", b"xchunked",
        b"chunkedx", b"identity", b"identity, chunked", b"chunked;q=1", b'"chunked"', b"chun ked",
        b"\x0bchunked", b"chunked\x0b", b"\x00chunked", b"chunked\x00", b"\xa0chunked", b"chunk\xc3\xa9d",
        b"gzip", b"")),
    framed("two transfer-encodings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    framed("two transfer-encodings, one unknown", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
    framed("transfer-encoding in HTTP/1.0", b"Transfer-Encoding: chunked\r\n", version=b"1.0"),
    framed("transfer-encoding in HTTP/1.0, kept alive",
           b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", version=b"1.0"),
    framed("transfer-encoding folded", b"Transfer-Encoding:\r\n chunked\r\n"),
    framed("space before transfer-encoding's colon", b"Transfer-Encoding : chunked\r\n"),
    framed("tab before transfer-encoding's colon", b"Transfer-Encoding\t: chunked\r\n"),
    framed("NUL in transfer-encoding's name", b"Transfer-Encoding\x00: chunked\r\n"),
    *(Case(name, b"POST /chunked HTTP/1.1\r\nHost: {H}\r\n" + field + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200,
           ("POST", "/chunked", b"hello")) for name, field in (
        ("chunked in capitals", b"TRANSFER-ENCODING: CHUNKED"),
        ("chunked in both cases", b"tRaNsFeR-eNcOdInG: cHuNkEd"),
        ("chunked behind a tab", b"Transfer-Encoding:\tchunked"),
        ("chunked before a tab", b"Transfer-Encoding: chunked\t"),
        ("chunked without a space", b"Transfer-Encoding:chunked"))),
]

CHUNKS = [
    *(bad_chunks(f"chunk size {size!r}", size + b"\r\nhello\r\n0\r\n\r\n") for size in (
        b"", b"0x5", b"+5", b"-5", b" 5", b"5 ", b"5\t", b"g", b"5\x00", b"5\x0b", b"fffffffffffffffff",
        b"ffffffffffffffff", b"8000000000000000", b"5;a=b\n", b"5;a=\x00", b"5;" + b"x" * 20000)),
    bad_chunks("bare LF after a chunk size", b"5\nhello\r\n0\r\n\r\n"),
    bad_chunks("bare CR after a chunk size", b"5\rhello\r\n0\r\n\r\n"),
    bad_chunks("CR CR LF after a chunk size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    bad_chunks("bare LF after a chunk's data", b"5\r\nhello\n0\r\n\r\n"),
    bad_chunks("nothing after a chunk's data", b"5\r\nhello0\r\n\r\n"),
    bad_chunks("any two bytes after a chunk's data", b"5\r\nhelloXX0\r\n\r\n"),
    bad_chunks("a chunk longer than it says", b"5\r\nhello!\r\n0\r\n\r\n"),
    bad_chunks("bare LF after the last chunk", b"5\r\nhello\r\n0\n\n"),
    bad_chunks("bare LF at the very end", b"5\r\nhello\r\n0\r\n\n"),
    bad_chunks("a folded trailer", b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    bad_chunks("a trailer without a colon", b"5\r\nhello\r\n0\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"),
    bad_chunks("space before a trailer's colon", b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"),
    bad_chunks("bare CR in a trailer", b"5\r\nhello\r\n0\r\nX-A: b\rX-B: c\r\n\r\n"),
    bad_chunks("NUL in a trailer", b"5\r\nhello\r\n0\r\nX-A: \x00\r\n\r\n"),
    bad_chunks("too many trailers", b"5\r\nhello\r\n0\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n"),
    bad_chunks("a trailer too long", b"5\r\nhello\r\n0\r\nX-A: " + b"b" * 70000 + b"\r\n\r\n"),
    chunks("chunk by chunk", b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"),
    chunks("capital digits", b"A\r\nhelloworld\r\n0\r\n\r\n", b"helloworld"),
    chunks("leading zeros in a chunk size", b"0005\r\nhello\r\n0000\r\n\r\n"),
    chunks("an extension is left out", b'5;a=b;c="d\te"\r\nhello\r\n0;x\r\n\r\n', has_not=(b"a=b",)),
    chunks("a request hidden in a chunk", b"%x\r\n" % 45 + b"%s\r\n0\r\n\r\n", HIDDEN),
    chunks("a trailer passes", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", has=(b"0\r\nx-sum: 1\r\n\r\n",)),
    chunks("trailers that set framing or host",
           b"5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n"
           b"Host: evil.example\r\nX-Sum: 1\r\n\r\n", has=(b"x-sum: 1",),
           has_not=(b"content-length", b"gzip", b"evil.example")),
    chunks("trailers that say who is who",
           b"5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"
           b"Cookie: evil\r\nAuthorization: evil\r\nX_Forwarded_For: 6.6.6.6\r\nConnection: evil\r\n"
           b"Set-Cookie: evil\r\n\r\n", has_not=(b"6.6.6.6", b"evil")),
]

BYTES = [
    bad_field("bare CR before a length", b"X-A: b\rContent-Length: 5"),
    bad_field("bare CR at the end of a value", b"X-A: b\r"),
    refused("bare LF between fields", b"GET / HTTP/1.1\r\nHost: {H}\nX-A: b\r\n\r\n"),
    refused("bare LF everywhere", b"GET / HTTP/1.1\nHost: {H}\n\n"),
    refused("bare LF at the end of the head", b"GET / HTTP/1.1\r\nHost: {H}\r\n\n"),
    refused("bare LF after the request line", b"GET / HTTP/1.1\nHost: {H}\r\n\r\n"),
    refused("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: {H}\r\n\r\n"),
    bad_field("a folded value", b"X-A: b\r\n c"),
    bad_field("a value folded with a tab", b"X-A: b\r\n\tc"),
    refused("the first field is folded", b"GET / HTTP/1.1\r\n Host: {H}\r\nHost: {H}\r\n\r\n"),
    bad_field("NUL in a value", b"X-A: b\x00c"),
    bad_field("NUL in a name", b"X-\x00A: b"),
    bad_field("a control byte in a value", b"X-A: \x01"),
    bad_field("DEL in a value", b"X-A: \x7f"),
    bad_field("an escape in a value", b"X-A: \x1b[31m"),
    bad_field("space before the colon", b"X-A : b"),
    bad_field("tab before the colon", b"X-A\t: b"),
    bad_field("space in a name", b"X A: b"),
    bad_field("no name", b": b"),
    bad_field("no colon", b"X-A"),
    bad_field("a name in brackets", b"X(A): b"),
    bad_field("a name that is not ASCII", b"X-\xc3\xa4: b"),
    bad_field("a name with a slash", b"X/A: b"),
    refused("space before the first field", b"GET / HTTP/1.1\r\n\tX-A: b\r\nHost: {H}\r\n\r\n"),
    get("obs-text in a value passes", b"X-A: \xe4\xf6\r\n", has=(b"x-a: \xe4\xf6\r\n",)),
    get("an empty value passes", b"X-A:\r\n", has=(b"x-a: \r\n",)),
    get("one empty line before a request", line=b"\r\nGET / HTTP/1.1"),
    refused("two empty lines before a request", b"\r\n\r\nGET / HTTP/1.1\r\nHost: {H}\r\n\r\n"),
]

LINES = [
    bad_line("HTTP/0.9", b"GET /"),
    bad_line("no method", b"/ HTTP/1.1"),
    bad_line("nothing but a method", b"GET"),
    bad_line("two spaces", b"GET  / HTTP/1.1"),
    bad_line("two spaces before the version", b"GET /  HTTP/1.1"),
    bad_line("a tab for a space", b"GET\t/ HTTP/1.1"),
    bad_line("a space at the end", b"GET / HTTP/1.1 "),
    bad_line("a space at the beginning", b" GET / HTTP/1.1"),
    bad_line("a space in the path", b"GET /a b HTTP/1.1"),
    bad_line("a version in small letters", b"GET / http/1.1"),
    bad_line("a version of three digits", b"GET / HTTP/1.10"),
    bad_line("a version without a dot", b"GET / HTTP/11"),
    bad_line("HTTP/1.2", b"GET / HTTP/1.2", 505),
    bad_line("HTTP/2.0", b"GET / HTTP/2.0", 505),
    bad_line("HTTP/3.0", b"GET / HTTP/3.0", 505),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    bad_line("CONNECT", b"CONNECT {H}:443 HTTP/1.1", 405),
    bad_line("CONNECT with a path", b"CONNECT / HTTP/1.1", 405),
    bad_line("TRACE", b"TRACE / HTTP/1.1", 405),
    bad_line("a method that is no token", b"G(T / HTTP/1.1"),
    bad_line("a method without end", b"X" * 300 + b" / HTTP/1.1"),
    bad_line("a fragment in the target", b"GET /a#b HTTP/1.1"),
    bad_line("a target without a slash", b"GET a HTTP/1.1"),
    bad_line("a target that is not ASCII", b"GET /\xc3\xa4 HTTP/1.1"),
    bad_line("NUL in the target", b"GET /\x00 HTTP/1.1"),
    bad_line("DEL in the target", b"GET /\x7f HTTP/1.1"),
    bad_line("* for GET", b"GET * HTTP/1.1"),
    bad_line("a host and port as the target", b"GET {H}:443 HTTP/1.1"),
    bad_line("a line too long", b"GET /" + b"a" * 9000 + b" HTTP/1.1", 414),
    bad_line("a line without end", b"GET /" + b"a" * 100000 + b" HTTP/1.1", 414),
    get("two slashes stay", line=b"GET //evil.example/ HTTP/1.1", seen=("GET", "//evil.example/", b"")),
    get("dots stay", line=b"GET /a/../../b/./%2e%2e/c?d=../e HTTP/1.1",
        seen=("GET", "/a/../../b/./%2e%2e/c?d=../e", b"")),
    get("a coded line end stays coded", line=b"GET /a%0d%0aX-A:%20b HTTP/1.1",
        seen=("GET", "/a%0d%0aX-A:%20b", b"")),
    get("* for OPTIONS", line=b"OPTIONS * HTTP/1.1", seen=("OPTIONS", "*", b"")),
    get("HTTP/1.0 goes on as HTTP/1.1", line=b"GET /old HTTP/1.0", seen=("GET", "/old", b""),
        has=(b"get /old http/1.1\r\n",), after=()),
]

HOSTS = [
    refused("no Host", b"GET / HTTP/1.1\r\n\r\n"),
    refused("no Host in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n"),
    refused("the same Host twice", b"GET / HTTP/1.1\r\nHost: {H}\r\nHost: {H}\r\n\r\n"),
    refused("two Hosts", b"GET / HTTP/1.1\r\nHost: {H}\r\nHost: evil.example\r\n\r\n"),
    *(refused(f"Host {value!r}", b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n") for value in (
        b"", b"{H}, {H}", b"{H} evil.example", b"evil@{H}", b"{H}/evil", b"{H}:", b"{H}:0", b"{H}:65536",
        b"{H}:8x", b"{H}:443:443", b"http://{H}", b"{H}?", b"{H}\\evil", b"[::1", b"{H}%00",
        b"\xc3\xa4.example", b"{H}\x0b")),
    refused("a Host of nobody's", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 404, after=(200,)),
    refused("a Host that is an address", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404, after=(200,)),
    refused("absolute form that differs from Host",
            b"GET http://evil.example/ HTTP/1.1\r\nHost: {H}\r\n\r\n"),
    refused("absolute form with our host, Host of another",
            b"GET https://{H}/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    refused("absolute form that differs by the port", b"GET https://{H}:1/ HTTP/1.1\r\nHost: {H}\r\n\r\n"),
    refused("absolute form without Host", b"GET https://{H}/ HTTP/1.1\r\n\r\n"),
    bad_line("absolute form with a user", b"GET https://evil@{H}/ HTTP/1.1"),
    bad_line("absolute form of another scheme", b"GET ftp://{H}/ HTTP/1.1"),
    bad_line("absolute form without a host", b"GET https:/// HTTP/1.1"),
    get("absolute form goes on in origin form", line=b"GET https://{H}/a?b HTTP/1.1",
        seen=("GET", "/a?b", b""), has=(b"get /a?b http/1.1\r\n",)),
    get("absolute form without a path", line=b"GET https://{H} HTTP/1.1"),
    get("absolute form with a query alone", line=b"GET https://{H}?b HTTP/1.1", seen=("GET", "/?b", b"")),
    Case("Host in capitals", b"GET / HTTP/1.1\r\nHOST: VICTIM-8888.CONTAINER.ENVGATE.TEST\r\n\r\n", 200,
         ("GET", "/", b"")),
]

SIZES = [
    bad_field("a field too long", b"X-A: " + b"b" * 17000, 431),
    bad_field("a field without end", b"X-A: " + b"b" * 200000, 431),
    bad_field("a name without end", b"X" * 20000 + b": b", 431),
    bad_field("too many fields", b"X-A: b\r\n" * 150 + b"X: y", 431),
    bad_field("a head too long", b"\r\n".join(b"X-%d: " % n + b"b" * 1000 for n in range(30)), 431),
    get("a large head passes", b"".join(b"X-%d: " % n + b"b" * 1000 + b"\r\n" for n in range(14)),
        has=(b"x-13: b",)),
]

VERSION_13 = b"Sec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def bad_upgrade(name, fields, status=400, after=(200,)):
    upgrade = b"GET / HTTP/1.1\r\nHost: {H}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    return refused(f"websocket with {name}", upgrade + fields + b"\r\n", status, after=after)


FIELDS = [
    get("a client cannot nominate",
        b"Connection: Host, Cookie, X-Forwarded-For, X-Real-IP, Content-Length, Authorization, close\r\n"
        b"Cookie: a=b\r\nAuthorization: me\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n",
        has=(b"host: ", b"cookie: a=b", b"authorization: me", b"x-forwarded-for: 127.0.0.1\r\n",
             b"x-real-ip: 127.0.0.1\r\n"),
        has_not=(b"6.6.6.6",), after=()),
    get("hop by hop",
        b"Connection: X-Mine, keep-alive\r\nX-Mine: gone\r\nKeep-Alive: gone\r\nProxy-Connection: gone\r\n"
        b"TE: gone\r\nProxy-Authorization: gone\r\nProxy-Authenticate: gone\r\nTrailer: gone\r\n"
        b"Upgrade: gone\r\nX-Yours: here\r\n",
        has=(b"x-yours: here",), has_not=(b"gone",)),
    get("who is who",
        b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nx-real-ip: 6.6.6.6\r\n"
        b"Forwarded: for=6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: evil\r\n"
        b"X-Forwarded-Port: 666\r\nX-Forwarded-Prefix: evil\r\nX_Forwarded_For: 6.6.6.6\r\n"
        b"X-Client-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\n"
        b"X-Original-Host: evil\r\nX-Request-Id: evil\r\nProxy: evil\r\n",
        has=(b"x-forwarded-for: 127.0.0.1\r\n", b"x-forwarded-proto: https\r\n",
             b"x-forwarded-host: {H}\r\n"),
        has_not=(b"6.6.6.6", b"7.7.7.7", b"evil", b"666")),
    bad_field("an expectation nobody knows", b"Expect: the-unexpected", 417),
    bad_field("100-continue and another", b"Expect: 100-continue, more", 417),
    bad_field("Connection that is no list of tokens", b"Connection: a b"),
    bad_field("Connection with too many options", b"Connection: " + b"a," * 100),
    get("h2c",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        has_not=(b"upgrade", b"h2c", b"http2-settings")),
    get("an upgrade to anything else", b"Connection: Upgrade\r\nUpgrade: TLS/1.0, websocketx\r\n",
        has_not=(b"upgrade",)),
    get("websocket without Connection", b"Upgrade: websocket\r\n" + VERSION_13 + KEY,
        has_not=(b"upgrade", b"sec-websocket")),
    bad_upgrade("a short key", VERSION_13 + b"Sec-WebSocket-Key: c2hvcnQ=\r\n"),
    bad_upgrade("a key that is no base64", VERSION_13 + b"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n"),
    bad_upgrade("no key", VERSION_13),
    bad_upgrade("two keys", VERSION_13 + KEY * 2),
    bad_upgrade("an old version", b"Sec-WebSocket-Version: 8\r\n" + KEY, 426),
    bad_upgrade("no version", KEY),
    bad_upgrade("a body", VERSION_13 + KEY + b"Content-Length: 5\r\n", after=()),
]

TABLE = LENGTHS + CODINGS + CHUNKS + BYTES + LINES + HOSTS + SIZES + FIELDS


def prepared(case, host):
    """The payload's bytes, once the host is known, and what the target is to see."""
    def fill(data):
        return data.replace(b"{H}", host.encode())
    hidden = fill(HIDDEN)
    payload, seen = fill(case.payload), case.seen
    if isinstance(seen, tuple) and seen[2] == HIDDEN:
        seen = (*seen[:2], hidden)
        if b"%d" in payload:
            payload = payload.replace(b"%d", b"%d" % len(hidden)) + hidden
        else:
            payload = payload.replace(b"%x" % 45 + b"\r\n%s", b"%x\r\n" % len(hidden) + hidden)
    has = [fill(text).lower() for text in case.has]
    has_not = [fill(text).lower() for text in case.has_not]
    return payload, seen, has, has_not
