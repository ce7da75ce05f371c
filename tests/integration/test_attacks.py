# ctest: timeout=400
"""What a stranger's bytes get, over HTTP/1.1: a table of input, answer and what the target
saw. Longer than most files here because the table is one. A payload is followed by an ordinary
request: where the payload is refused, that request must not be reached either; where it is
forwarded, it must come out as itself. What reached a target is then read by three servers that
nobody here wrote, h11, aiohttp and node, and must be the same single request to each.

(What a target's bytes get: test_attacks_target.py; HTTP/2: test_attacks_h2.py.)"""
import dataclasses
import socket
import ssl
import time

import h11
import pytest

from harness import SLOW, EchoTarget, Gateway, RawTls, RouteFile, contract, need, wait_for
from harness.readers import AT_END, REFUSED, AiohttpReader, H11Reader, NodeReader, h11_requests, node, path_of
from harness.routes import http

ENV = "victim"
NOTHING = "nothing"      # not one byte
CUT_SHORT = "cut short"  # the beginning of the one request at most, and no end that could be taken for one


@dataclasses.dataclass
class Case:
    name: str
    payload: bytes           # {H} is the environment's public host
    status: int
    seen: object = NOTHING   # or CUT_SHORT, or (method, path, body)
    has: tuple = ()          # what must stand in the bytes that the target got, and what must not, in lower case
    has_not: tuple = ()
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
    Case("a request hidden in a body", b"POST /carrier HTTP/1.1\r\nHost: {H}\r\nContent-Length: %d\r\n\r\n", 200,
         ("POST", "/carrier", HIDDEN)),
    Case("a request hidden behind GET's body", b"GET /carrier HTTP/1.1\r\nHost: {H}\r\nContent-Length: %d\r\n\r\n", 200,
         ("GET", "/carrier", HIDDEN)),
    get("a length of zero", b"Content-Length: 0\r\n"),
    get("leading zeros in a length", b"Content-Length: 0000\r\n"),
    # CGI would take this for Transfer-Encoding: it is left out, and what follows it is not a body
    Case("an underscore in Transfer_Encoding", b"POST / HTTP/1.1\r\nHost: {H}\r\nTransfer_Encoding: chunked\r\n\r\n"
         b"5\r\nhello\r\n0\r\n\r\n", 200, ("POST", "/", b""), has_not=(b"transfer_encoding",), after=(400,)),
    Case("an underscore in Content_Length", b"POST / HTTP/1.1\r\nHost: {H}\r\nContent_Length: 7\r\n\r\nhello\r\n", 200,
         ("POST", "/", b""), has_not=(b"content_length",), after=(400,)),
]

CODINGS = [framed(f"transfer-encoding {value!r}", b"Transfer-Encoding: " + value + b"\r\n") for value in (
    b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked,", b",chunked", b"xchunked", b"chunkedx", b"identity",
    b"identity, chunked", b"chunked;q=1", b'"chunked"', b"chun ked", b"\x0bchunked", b"chunked\x0b", b"\x00chunked",
    b"chunked\x00", b"\xa0chunked", b"chunk\xc3\xa9d", b"gzip", b"")] + [
    framed("two transfer-encodings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    framed("two transfer-encodings, one unknown", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
    framed("transfer-encoding in HTTP/1.0", b"Transfer-Encoding: chunked\r\n", version=b"1.0"),
    framed("transfer-encoding in HTTP/1.0, kept alive", b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
           version=b"1.0"),
    framed("transfer-encoding folded", b"Transfer-Encoding:\r\n chunked\r\n"),
    framed("space before transfer-encoding's colon", b"Transfer-Encoding : chunked\r\n"),
    framed("tab before transfer-encoding's colon", b"Transfer-Encoding\t: chunked\r\n"),
    framed("NUL in transfer-encoding's name", b"Transfer-Encoding\x00: chunked\r\n"),
] + [Case(name, b"POST /chunked HTTP/1.1\r\nHost: {H}\r\n" + field + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200,
          ("POST", "/chunked", b"hello")) for name, field in (
    ("chunked in capitals", b"TRANSFER-ENCODING: CHUNKED"), ("chunked in both cases", b"tRaNsFeR-eNcOdInG: cHuNkEd"),
    ("chunked behind a tab", b"Transfer-Encoding:\tchunked"), ("chunked before a tab", b"Transfer-Encoding: chunked\t"),
    ("chunked without a space", b"Transfer-Encoding:chunked"))]

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
    chunks("trailers that set framing or host", b"5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n"
           b"Host: evil.example\r\nX-Sum: 1\r\n\r\n", has=(b"x-sum: 1",),
           has_not=(b"content-length", b"gzip", b"evil.example")),
    chunks("trailers that say who is who", b"5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
           b"Forwarded: for=6.6.6.6\r\nCookie: evil\r\nAuthorization: evil\r\nX_Forwarded_For: 6.6.6.6\r\nConnection: evil\r\n"
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
    bad_field("NUL in a value", b"X-A: b\x00c"), bad_field("NUL in a name", b"X-\x00A: b"),
    bad_field("a control byte in a value", b"X-A: \x01"), bad_field("DEL in a value", b"X-A: \x7f"),
    bad_field("an escape in a value", b"X-A: \x1b[31m"),
    bad_field("space before the colon", b"X-A : b"), bad_field("tab before the colon", b"X-A\t: b"),
    bad_field("space in a name", b"X A: b"), bad_field("no name", b": b"), bad_field("no colon", b"X-A"),
    bad_field("a name in brackets", b"X(A): b"), bad_field("a name that is not ASCII", b"X-\xc3\xa4: b"),
    bad_field("a name with a slash", b"X/A: b"),
    refused("space before the first field", b"GET / HTTP/1.1\r\n\tX-A: b\r\nHost: {H}\r\n\r\n"),
    get("obs-text in a value passes", b"X-A: \xe4\xf6\r\n", has=(b"x-a: \xe4\xf6\r\n",)),
    get("an empty value passes", b"X-A:\r\n", has=(b"x-a: \r\n",)),
    get("one empty line before a request", line=b"\r\nGET / HTTP/1.1"),
    refused("two empty lines before a request", b"\r\n\r\nGET / HTTP/1.1\r\nHost: {H}\r\n\r\n"),
]

LINES = [
    bad_line("HTTP/0.9", b"GET /"), bad_line("no method", b"/ HTTP/1.1"), bad_line("nothing but a method", b"GET"),
    bad_line("two spaces", b"GET  / HTTP/1.1"), bad_line("two spaces before the version", b"GET /  HTTP/1.1"),
    bad_line("a tab for a space", b"GET\t/ HTTP/1.1"), bad_line("a space at the end", b"GET / HTTP/1.1 "),
    bad_line("a space at the beginning", b" GET / HTTP/1.1"), bad_line("a space in the path", b"GET /a b HTTP/1.1"),
    bad_line("a version in small letters", b"GET / http/1.1"), bad_line("a version of three digits", b"GET / HTTP/1.10"),
    bad_line("a version without a dot", b"GET / HTTP/11"), bad_line("HTTP/1.2", b"GET / HTTP/1.2", 505),
    bad_line("HTTP/2.0", b"GET / HTTP/2.0", 505), bad_line("HTTP/3.0", b"GET / HTTP/3.0", 505),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    bad_line("CONNECT", b"CONNECT {H}:443 HTTP/1.1", 405), bad_line("CONNECT with a path", b"CONNECT / HTTP/1.1", 405),
    bad_line("TRACE", b"TRACE / HTTP/1.1", 405),
    bad_line("a method that is no token", b"G(T / HTTP/1.1"), bad_line("a method without end", b"X" * 300 + b" / HTTP/1.1"),
    bad_line("a fragment in the target", b"GET /a#b HTTP/1.1"), bad_line("a target without a slash", b"GET a HTTP/1.1"),
    bad_line("a target that is not ASCII", b"GET /\xc3\xa4 HTTP/1.1"), bad_line("NUL in the target", b"GET /\x00 HTTP/1.1"),
    bad_line("DEL in the target", b"GET /\x7f HTTP/1.1"), bad_line("* for GET", b"GET * HTTP/1.1"),
    bad_line("a host and port as the target", b"GET {H}:443 HTTP/1.1"),
    bad_line("a line too long", b"GET /" + b"a" * 9000 + b" HTTP/1.1", 414),
    bad_line("a line without end", b"GET /" + b"a" * 100000 + b" HTTP/1.1", 414),
    get("two slashes stay", line=b"GET //evil.example/ HTTP/1.1", seen=("GET", "//evil.example/", b"")),
    get("dots stay", line=b"GET /a/../../b/./%2e%2e/c?d=../e HTTP/1.1", seen=("GET", "/a/../../b/./%2e%2e/c?d=../e", b"")),
    get("a coded line end stays coded", line=b"GET /a%0d%0aX-A:%20b HTTP/1.1", seen=("GET", "/a%0d%0aX-A:%20b", b"")),
    get("* for OPTIONS", line=b"OPTIONS * HTTP/1.1", seen=("OPTIONS", "*", b"")),
    get("HTTP/1.0 goes on as HTTP/1.1", line=b"GET /old HTTP/1.0", seen=("GET", "/old", b""), has=(b"get /old http/1.1\r\n",),
        after=()),
]

HOSTS = [
    refused("no Host", b"GET / HTTP/1.1\r\n\r\n"), refused("no Host in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n"),
    refused("the same Host twice", b"GET / HTTP/1.1\r\nHost: {H}\r\nHost: {H}\r\n\r\n"),
    refused("two Hosts", b"GET / HTTP/1.1\r\nHost: {H}\r\nHost: evil.example\r\n\r\n"),
    *(refused(f"Host {value!r}", b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n") for value in (
        b"", b"{H}, {H}", b"{H} evil.example", b"evil@{H}", b"{H}/evil", b"{H}:", b"{H}:0", b"{H}:65536", b"{H}:8x", b"{H}:443:443",
        b"http://{H}", b"{H}?", b"{H}\\evil", b"[::1", b"{H}%00", b"\xc3\xa4.example", b"{H}\x0b")),
    refused("a Host of nobody's", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 404, after=(200,)),
    refused("a Host that is an address", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404, after=(200,)),
    refused("absolute form that differs from Host", b"GET http://evil.example/ HTTP/1.1\r\nHost: {H}\r\n\r\n"),
    refused("absolute form with our host, Host of another", b"GET https://{H}/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    refused("absolute form that differs by the port", b"GET https://{H}:1/ HTTP/1.1\r\nHost: {H}\r\n\r\n"),
    refused("absolute form without Host", b"GET https://{H}/ HTTP/1.1\r\n\r\n"),
    bad_line("absolute form with a user", b"GET https://evil@{H}/ HTTP/1.1"),
    bad_line("absolute form of another scheme", b"GET ftp://{H}/ HTTP/1.1"),
    bad_line("absolute form without a host", b"GET https:/// HTTP/1.1"),
    get("absolute form goes on in origin form", line=b"GET https://{H}/a?b HTTP/1.1", seen=("GET", "/a?b", b""),
        has=(b"get /a?b http/1.1\r\n",)),
    get("absolute form without a path", line=b"GET https://{H} HTTP/1.1"),
    get("absolute form with a query alone", line=b"GET https://{H}?b HTTP/1.1", seen=("GET", "/?b", b"")),
    Case("Host in capitals", b"GET / HTTP/1.1\r\nHOST: VICTIM-8888.CONTAINER.ENVGATE.TEST\r\n\r\n", 200, ("GET", "/", b"")),
]

SIZES = [
    bad_field("a field too long", b"X-A: " + b"b" * 17000, 431), bad_field("a field without end", b"X-A: " + b"b" * 200000, 431),
    bad_field("a name without end", b"X" * 20000 + b": b", 431), bad_field("too many fields", b"X-A: b\r\n" * 150 + b"X: y", 431),
    bad_field("a head too long", b"\r\n".join(b"X-%d: " % n + b"b" * 1000 for n in range(30)), 431),
    get("a large head passes", b"".join(b"X-%d: " % n + b"b" * 1000 + b"\r\n" for n in range(14)), has=(b"x-13: b",)),
]

FIELDS = [
    get("a client cannot nominate", b"Connection: Host, Cookie, X-Forwarded-For, X-Real-IP, Content-Length, Authorization, close\r\n"
        b"Cookie: a=b\r\nAuthorization: me\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n",
        has=(b"host: ", b"cookie: a=b", b"authorization: me", b"x-forwarded-for: 127.0.0.1\r\n", b"x-real-ip: 127.0.0.1\r\n"),
        has_not=(b"6.6.6.6",), after=()),
    get("hop by hop", b"Connection: X-Mine, keep-alive\r\nX-Mine: gone\r\nKeep-Alive: gone\r\nProxy-Connection: gone\r\nTE: gone\r\n"
        b"Proxy-Authorization: gone\r\nProxy-Authenticate: gone\r\nTrailer: gone\r\nUpgrade: gone\r\nX-Yours: here\r\n",
        has=(b"x-yours: here",), has_not=(b"gone",)),
    get("who is who", b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nx-real-ip: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"
        b"X-Forwarded-Host: evil\r\nX-Forwarded-Proto: evil\r\nX-Forwarded-Port: 666\r\nX-Forwarded-Prefix: evil\r\n"
        b"X_Forwarded_For: 6.6.6.6\r\nX-Client-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\n"
        b"X-Original-Host: evil\r\nX-Request-Id: evil\r\nProxy: evil\r\n",
        has=(b"x-forwarded-for: 127.0.0.1\r\n", b"x-forwarded-proto: https\r\n", b"x-forwarded-host: {H}\r\n"),
        has_not=(b"6.6.6.6", b"7.7.7.7", b"evil", b"666")),
    bad_field("an expectation nobody knows", b"Expect: the-unexpected", 417),
    bad_field("100-continue and another", b"Expect: 100-continue, more", 417),
    bad_field("Connection that is no list of tokens", b"Connection: a b"),
    bad_field("Connection with too many options", b"Connection: " + b"a," * 100),
    get("h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        has_not=(b"upgrade", b"h2c", b"http2-settings")),
    get("an upgrade to anything else", b"Connection: Upgrade\r\nUpgrade: TLS/1.0, websocketx\r\n", has_not=(b"upgrade",)),
    get("websocket without Connection", b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", has_not=(b"upgrade", b"sec-websocket")),
    *(refused(f"websocket with {name}", b"GET / HTTP/1.1\r\nHost: {H}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + fields +
              b"\r\n", status, after=() if b"Length" in fields else (200,)) for name, fields, status in (
        ("a short key", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n", 400),
        ("a key that is no base64", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n", 400),
        ("no key", b"Sec-WebSocket-Version: 13\r\n", 400),
        ("two keys", b"Sec-WebSocket-Version: 13\r\n" + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" * 2, 400),
        ("an old version", b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        ("no version", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        ("a body", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5\r\n", 400))),
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
    return payload, seen, [fill(text).lower() for text in case.has], [fill(text).lower() for text in case.has_not]


# -- the target, the readers, the gateway

def answer_each(connection):
    """Reads requests as h11 does and answers each; an error ends the connection."""
    server = h11.Connection(h11.SERVER)
    while True:
        event = server.next_event()
        if event is h11.NEED_DATA:
            server.receive_data(connection.recv())
        elif isinstance(event, h11.EndOfMessage):
            connection.send(server.send(h11.Response(status_code=200, headers=[("content-length", "2")])))
            connection.send(server.send(h11.Data(data=b"ok")) + (server.send(h11.EndOfMessage()) or b""))
            if server.our_state is h11.MUST_CLOSE or server.their_state is h11.MUST_CLOSE:
                return
            server.start_next_cycle()
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return


def forgiving(connection):
    try:
        answer_each(connection)
    except h11.RemoteProtocolError:
        pass


@pytest.fixture(scope="module")
def target():
    with EchoTarget(forgiving) as server:
        yield server


@pytest.fixture(scope="module")
def front(tmp_path_factory, ca, target):
    """A gateway that opens a connection to the target for each request,
    so that what came of one stands by itself."""
    directory = tmp_path_factory.mktemp("attacks")
    routes = RouteFile(directory / "routes.yaml")
    with Gateway(directory, ca, {"target": {"pool_idle": "0"}}) as gateway:
        gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
        yield gateway


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    made = [H11Reader(), AiohttpReader()]
    if node():
        made.append(NodeReader(tmp_path_factory.mktemp("node")))
    yield made
    for reader in made:
        reader.stop()


def statuses(answer):
    """Of every response in the bytes, each with Content-Length; fails on anything between or behind them."""
    found = []
    while answer:
        head, mark, rest = answer.partition(b"\r\n\r\n")
        assert mark and head.startswith(b"HTTP/1.1 "), answer[:200]
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        found.append(int(head.split()[1]))
        length = int(fields[b"content-length"])
        assert len(rest) >= length, "a response was cut short"
        answer = rest[length:]
    return found


def exchange(gateway, host, payload):
    """Everything that comes back before the gateway closes; it must close."""
    with RawTls(gateway, host) as client:
        try:
            client.send(payload)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # refused before all of it was sent
        return client.recv_all()


def follow_up(host):
    return f"GET /follow-up HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def new_connections(target, before):
    connections = target.connections[before:]
    for connection in connections:
        assert connection.ended.wait(10 * SLOW), "the connection to the target stayed open"
    return [bytes(connection.received) for connection in connections]


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_the_table(front, target, readers, case):
    host = front.host(ENV, 8888)
    payload, expected, has, has_not = prepared(case, host)
    before, opened = len(target.connections), front.metric(contract.TARGET_CONNECTS)
    answered = statuses(exchange(front, host, payload + follow_up(host)))
    # Each that the gateway opened has arrived at the target: none is left to be taken for the next case's.
    wait_for(lambda: len(target.connections) - before == front.metric(contract.TARGET_CONNECTS) - opened, "the connections")
    saw = new_connections(target, before)
    assert answered == [case.status, *case.after]
    requests = [data for data in saw if data]
    if 200 in case.after:
        assert requests.pop().startswith(b"GET /follow-up HTTP/1.1\r\n")
    if expected is NOTHING:
        assert requests == []
        return
    if expected is CUT_SHORT:
        for part in requests:
            assert h11_requests(part)[0][0] == "unfinished", f"what was refused was a whole request to the target: {part}"
        assert len(requests) <= 1
        return
    forwarded, = requests
    for text in has:
        assert text in forwarded.lower(), forwarded
    for text in has_not:
        assert text not in forwarded.lower(), forwarded
    assert h11_requests(forwarded) == [expected]
    for reader in readers:
        assert reader.requests(forwarded) == [expected, AT_END], f"as {reader.name} reads {forwarded}"


@pytest.mark.parametrize("case", [case for case in TABLE if isinstance(case.seen, tuple)], ids=str)
def test_what_is_forwarded_means_the_same_to_others(front, readers, case):
    """The payload as it came, given to each reader:
    it may refuse it, but where it reads a request there, it is ours."""
    payload, expected, _, _ = prepared(case, front.host(ENV, 8888))
    for reader in readers:
        found = reader.requests(payload)
        assert found[0] in (expected, REFUSED), f"{reader.name} takes {payload[:300]} for {found}"


def test_node_is_among_the_readers(readers):
    need(node(), "node is not installed (tests/run installs it): the table was read by h11 and aiohttp alone")
    assert [reader.name for reader in readers] == ["h11", "aiohttp", "node"]


def test_the_table_is_not_all_refusals():
    """A gateway that refused everything would be safe, and of no use:
    about a third of the table is let through."""
    assert sum(isinstance(case.seen, tuple) for case in TABLE) > 35 and len(TABLE) > 150
    assert len({case.name for case in TABLE}) == len(TABLE)
    assert path_of("https://a.example/b") == "/b"


# -- more than one request, or less

def test_pipelined_requests_come_one_by_one_and_in_order(front, target):
    host = front.host(ENV, 8888)
    before = len(target.connections)
    with RawTls(front, host) as client:
        client.send(b"".join(f"POST /{n} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {n}\r\nX-Fill: {'f' * 900}\r\n\r\n{'b' * n}".encode()
                             for n in range(100)) + follow_up(host))
        assert statuses(client.recv_all()) == [200] * 101
    saw = new_connections(target, before)
    assert [h11_requests(data)[0] for data in saw[:-1]] == [("POST", f"/{n}", b"b" * n) for n in range(100)]


def test_a_payload_byte_by_byte(front, target, readers):
    """However it is cut, it is the same request."""
    host = front.host(ENV, 8888)
    before = len(target.connections)
    with RawTls(front, host) as client:
        for byte in (CHUNKED.replace(b"{H}", host.encode()) + b'5;a="b"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n' + follow_up(host)):
            client.send(bytes([byte]))
        assert statuses(client.recv_all()) == [200, 200]
    saw = new_connections(target, before)
    for reader in readers:
        assert reader.requests(saw[0]) == [("POST", "/chunked", b"hello"), AT_END]


@pytest.mark.parametrize("start, rest", [(CHUNKED, b"5\r\nhel"), (CHUNKED, b"5\r\nhello\r\n"), (CHUNKED, b"5\r\nhello\r\n0\r\n"),
                                         (b"POST / HTTP/1.1\r\nHost: {H}\r\nContent-Length: 10\r\n\r\n", b"hello")],
                         ids=["within a chunk", "between chunks", "before the trailers' end", "within a length"])
def test_a_client_that_leaves_within_a_body(front, target, start, rest):
    """What it began never ends at the target: a request cut short must not be taken for a whole one."""
    host = front.host(ENV, 8888)
    before = len(target.connections)
    with RawTls(front, host) as client:
        client.send(start.replace(b"{H}", host.encode()) + rest)
        wait_for(lambda: b"hel" in b"".join(target.seen()[before:]), "the body did not reach the target")
    for part in new_connections(target, before):
        assert h11_requests(part)[0][0] == "unfinished"


def test_requests_behind_an_upgrade_that_was_not_granted(front, target):
    """A 200 to the upgrade: what the client sent behind it is its next request, checked like any other."""
    host = front.host(ENV, 8888)
    upgrade = (f"GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
    before = len(target.connections)
    answer = exchange(front, host, upgrade + b"GET /hidden HTTP/1.1\r\nHost: other.example\r\n\r\n" + follow_up(host))
    assert statuses(answer) == [200, 404, 200]
    saw = new_connections(target, before)
    assert len(saw) == 2 and b"hidden" not in b"".join(saw) and b"other.example" not in b"".join(saw)


# -- slowly

@pytest.fixture
def hasty(make_gateway, routes, target):
    gateway = make_gateway({"timeouts": {"handshake": "500ms", "request_head": "500ms", "request_body": "500ms", "idle": "500ms"}})
    gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
    return gateway


def trickle(send, recv, seconds=8):
    """Sends a byte now and then until the other side ends the connection;
    returns (seconds, what was answered)."""
    began = time.monotonic()
    while time.monotonic() - began < seconds * SLOW:
        try:
            send(b"a")
        except OSError:
            return time.monotonic() - began, b""
        answer = recv()
        if answer is not None:
            return time.monotonic() - began, answer
    raise AssertionError(f"still served after {seconds} s")


def patient(sock):
    """Waits 50 ms for an answer; None: there is none yet."""
    def recv():
        sock.settimeout(0.05)
        try:
            return sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError, socket.timeout):
            return None
        except (ssl.SSLError, ConnectionResetError):
            return b""
    return recv


def test_a_slow_handshake(hasty):
    with socket.create_connection(("127.0.0.1", hasty.https_port), 10) as sock:
        sock.sendall(b"\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03")  # a ClientHello of 4 KiB begins
        seconds, _ = trickle(sock.sendall, patient(sock))
    assert seconds < 3 * SLOW
    with socket.create_connection(("127.0.0.1", hasty.https_port), 10) as silent:
        assert silent.recv(10) == b""


@pytest.mark.parametrize("begin, status", [
    (b"GET / HTTP/1.1\r\nHost: {H}\r\nX-Slow: ", 408), (b"GET /", 408),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nContent-Length: 1000000\r\n\r\n", 408),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", 408),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\n1;", 408)],
    ids=["a slow field", "a slow line", "a slow body", "a slow chunk", "a slow chunk extension"])
def test_a_slow_request(hasty, begin, status):
    """A byte now and then keeps nothing alive: the deadlines are absolute."""
    host = hasty.host(ENV, 8888)
    with RawTls(hasty, host) as client:
        client.send(begin.replace(b"{H}", host.encode()))
        seconds, answer = trickle(client.send, patient(client.sock))
        assert seconds < 4 * SLOW
        assert not answer or answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_silent_client(hasty):
    host = hasty.host(ENV, 8888)
    with RawTls(hasty, host) as client:
        assert client.recv_all().startswith(b"HTTP/1.1 408 ")
    with RawTls(hasty, host) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert client.response()[0] == 200
        assert client.recv() == b"", "an idle connection was kept"


def test_a_slow_answer_to_a_slow_upload_is_not_the_targets_fault(make_gateway, routes, target):
    """timeouts.response_head counts from the end of the request, as conf/envgate.yaml says:
    an upload may take longer."""
    gateway = make_gateway({"timeouts": {"response_head": "500ms"}})
    gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 30\r\n\r\n".encode())
        for _ in range(30):
            time.sleep(0.05 * SLOW)  # the speed of this client is what is tested
            client.send(b"x")
        assert client.response()[::2] == (200, b"ok")
