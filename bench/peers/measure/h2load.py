"""h2load, from nghttp2: closed-loop load over HTTP/1.1 or HTTP/2. What it says of a run is checked word by
word."""
import re

from .process import RunError, run

CIPHER, GROUP = "TLS_AES_128_GCM_SHA256", "X25519"


def _number(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise RunError(f"h2load did not say {pattern!r}")
    return float(match[1])


def _check(text, requests, size, protocol):
    for what in ("Cipher: " + CIPHER, "Server Temp Key: " + GROUP, "Application protocol: " + protocol,
                 f" {requests} succeeded, 0 failed, 0 errored"):
        if what not in text:
            told = re.search(r"requests: .*", text)
            raise RunError(f"h2load did not say {what!r} ({told[0] if told else text[-200:].strip()})")
    if f"status codes: {requests} 2xx" not in text:
        raise RunError(re.search(r"status codes: .*", text)[0])
    data = _number(r"\((\d+)\) data", text)
    if size is not None and data != requests * size:
        raise RunError(f"{data:.0f} bytes of body came, {requests * size} were due")


def load(port, host, path, *, h2, requests, connections, streams=1, size=None, upload=None, seconds=60):
    """Runs it; {"seconds", "rate"}. `size`: of each body that must come; `upload`: a file to send with each.
    Errors: RunError where one answer is wrong or missing."""
    argv = ["h2load", "-t", "1", "-n", requests, "-c", connections, "-m", streams, "--tls13-ciphers", CIPHER,
            "--groups", "X25519:P-256", "--connect-to", f"127.0.0.1:{port}"]
    argv += ["--npn-list", "h2"] if h2 else ["--h1"]
    argv += ["-w", "24", "-W", "28"] if h2 and (size or 0) > 1 << 16 else []
    argv += ["-d", upload] if upload else []
    text = run([*argv, f"https://{host}{path}"], seconds)
    _check(text, requests, size, "h2" if h2 else "http/1.1")
    rate = _number(r"finished in [\d.]+\w+, ([\d.]+) req/s", text)
    return {"seconds": requests / rate, "rate": rate}
