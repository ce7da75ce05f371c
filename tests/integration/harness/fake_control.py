"""A control plane that is only its API, on a Unix socket: as much of control/api/README.md as envctl asks,
told by each test what there is, how far operations are, and where it is to misbehave. It keeps what it was
asked."""
import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, unquote, urlsplit

NOW = "2026-02-02T10:30:00Z"
PAGE = 2  # the most it gives at once: every longer list comes in pages


def environment(number, name, state="running", **more):
    return {"id": f"env{number:013d}", "name": name, "owner": "alice", "backend": "docker", "node": "local",
            "generation": 1, "desired": "running", "state": state, "conditions": [],
            "spec": {"image": "pytorch:2", "cpu": 2, "memory": 16 << 30}, "policy": {},
            "ssh_host": f"env{number:013d}.ssh.envgate.test", "ssh_port": 50000 + number, "target_ip": None,
            "image_digest": None, "created_at": NOW, "updated_at": NOW, "started_at": None, **more}


def operation(number, env, state="pending", **more):
    return {"id": f"op{number:014d}", "environment": env, "kind": "create", "state": state,
            "progress": {"step": "", "detail": "", "done": 0, "total": 0}, "steps": [], "error": None,
            "created_at": NOW, "updated_at": NOW, **more}


class Refused(Exception):
    def __init__(self, status, code, detail, errors=()):
        self.status = status
        self.problem = {"type": "about:blank", "title": code, "status": status, "code": code,
                        "detail": detail, "request_id": "req-7"}
        if errors:
            self.problem["errors"] = list(errors)


class Asked:
    """A request as it came."""

    def __init__(self, method, target, headers, body):
        split = urlsplit(target)
        self.method, self.path, self.headers, self.body = method, unquote(split.path), headers, body
        self.query = dict(parse_qsl(split.query, keep_blank_values=True))

    def json(self):
        return json.loads(self.body)


class FakeControl:
    def __init__(self, directory):
        self.socket = str(directory / "control.sock")
        self.asked = []
        self.environments, self.operations = [], []
        # What a new operation goes through, one each time it is asked for: state, step, detail, done, total.
        self.script = [("done", "", "", 0, 0)]
        self.quotas, self.machines, self.nodes, self.tokens, self.audit = {}, [], [], [], []
        self.settings = [{"key": "control.socket", "value": "/run/x", "layer": "file", "place": "c.yaml:3",
                          "default": "/run/envgate/control.sock", "expects": "a path",
                          "description": "Where.", "variable": "ENVGATE_CONTROL__SOCKET"}]
        self.checks = []
        self.events = []      # (id, kind, object)
        self.overrides = {}   # (method, path) -> function(handler) that answers by itself
        self._answers = {}    # by idempotency key

    # -- what it answers: status and object

    def answer(self, asked):
        key = asked.headers.get("Idempotency-Key")
        if key and key in self._answers:
            return self._answers[key]
        parts = asked.path.strip("/").split("/")[1:]
        handle = getattr(self, f"on_{parts[0]}", None) if parts else None
        if handle is None:
            raise Refused(404, "not_found", f"there is no {asked.path}")
        answer = handle(asked, parts[1:])
        if key:
            self._answers[key] = answer
        return answer

    def page(self, asked, plural, entries):
        start, limit = int(asked.query.get("cursor", 0)), min(PAGE, int(asked.query["limit"]))
        more = start + limit < len(entries)
        return 200, {plural: entries[start:start + limit], "next": str(start + limit) if more else None}

    def find(self, entries, member, value, what):
        for entry in entries:
            if entry[member] == value:
                return entry
        raise Refused(404, "not_found", f"there is no {what} {value}")

    def accept(self, env):
        made = operation(len(self.operations) + 1, env["id"])
        made["script"] = list(self.script)
        self.operations.append(made)
        return 202, {"operation": self.shown(made), "environment": env}

    def shown(self, op):
        return {name: value for name, value in op.items() if name != "script"}

    def on_environments(self, asked, parts):
        if not parts and asked.method == "POST":
            body = asked.json()
            if body["spec"].get("image") == "huge":
                raise Refused(422, "invalid", "the spec has errors", [
                    {"pointer": "/spec/memory", "message": "more than any node has"},
                    {"pointer": "/spec/cpu", "message": "is not a number\x1b[31m"}])
            if asked.query.get("dry_run"):
                return 200, {"environment": body}
            self.environments.append(environment(len(self.environments) + 1, body["name"], "creating",
                                                 owner=body["owner"], spec=body["spec"]))
            return self.accept(self.environments[-1])
        if not parts:
            found = [e for e in self.environments
                     if all(e[f] == v for f, v in asked.query.items() if f in ("name", "owner", "state"))]
            return self.page(asked, "environments", found)
        env = self.find(self.environments, "id", parts[0], "environment")
        if parts[1:] == ["access"]:
            at = f"root@{env['ssh_host']}"
            return 200, {"environment_id": env["id"], "type": "container", "ssh_host": env["ssh_host"],
                         "ssh_port": env["ssh_port"], "ssh_username": "root", "ssh_password": "Pa55!word",
                         "target_ip": None, "jupyter_url": None, "created_at": NOW,
                         "urls": [{"port": 8888, "access": "private",
                                   "url": "https://x-8888.envgate.test"}],
                         "commands": {"ssh": f"ssh {at} -p {env['ssh_port']}",
                                      "scp": f"scp -P {env['ssh_port']} FILE {at}:"}}
        if parts[1:] == ["tickets"]:
            host = f"x-{asked.json()['port']}.envgate.test"
            return 201, {"url": f"https://{host}/open?ticket=T", "expires_at": NOW}
        if len(parts) > 1 and env["state"] == "deleting":
            raise Refused(409, "conflict", "it is being deleted")
        if asked.method == "DELETE":
            env["state"] = "deleted"
        return self.accept(env) if asked.method != "GET" else (200, env)

    def on_operations(self, asked, parts):
        if not parts:
            return self.page(asked, "operations", [self.shown(op) for op in self.operations])
        op = self.find(self.operations, "id", parts[0], "operation")
        if op.get("script"):
            state, step, detail, done, total = op["script"].pop(0)
            op["state"] = state
            op["progress"] = {"step": step, "detail": detail, "done": done, "total": total}
            if state == "failed":
                op["error"] = {"code": "ImageMissing", "message": "no such image"}
            if state == "done":
                for env in self.environments:
                    if env["id"] == op["environment"] and env["state"] == "creating":
                        env["state"] = "running"
        return 200, self.shown(op)

    def on_quotas(self, asked, parts):
        if not parts:
            return self.page(asked, "quotas", list(self.quotas.values()))
        if asked.method == "PUT":
            if asked.headers.get("If-Match") == '"old"':
                raise Refused(412, "precondition_failed", "the quota has changed meanwhile")
            used = {"cpu": 1.0, "memory": 1 << 30}
            self.quotas[parts[0]] = {"owner": parts[0], **asked.json(), "used": used}
        if parts[0] not in self.quotas:
            raise Refused(404, "not_found", f"{parts[0]} has no quota")
        if asked.method == "DELETE":
            del self.quotas[parts[0]]
            return 204, None
        return 200, self.quotas[parts[0]]

    def on_machines(self, asked, parts):
        if parts == ["import"]:
            return 201, {"machines": self.machines}
        return self.on_named("machines", self.machines, asked, parts)

    def on_nodes(self, asked, parts):
        return self.on_named("nodes", self.nodes, asked, parts)

    def on_named(self, plural, entries, asked, parts):
        if not parts and asked.method == "POST":
            entries.append({"state": "available", **asked.json()})
            return 201, entries[-1]
        if not parts:
            return self.page(asked, plural, entries)
        entry = self.find(entries, "name", parts[0], plural[:-1])
        if asked.method == "DELETE":
            entries.remove(entry)
            return 204, None
        if len(parts) > 1 and parts[1] != "check":
            entry["state"] = parts[1]
        return 200, entry

    def on_tokens(self, asked, parts):
        if asked.method == "POST":
            name = f"t{len(self.tokens)}"
            self.tokens.append({"id": name, "created_at": NOW, "used_at": None, **asked.json()})
            return 201, {**self.tokens[-1], "token": "egt_secret"}
        if asked.method == "DELETE":
            self.tokens.remove(self.find(self.tokens, "id", parts[0], "token"))
            return 204, None
        return self.page(asked, "tokens", self.tokens)

    def on_audit(self, asked, parts):
        if parts == ["verify"]:
            whole = all(line["hash"] for line in self.audit)
            return 200, {"whole": whole, "message": "" if whole else "line 2 has another hash",
                         "lines": len(self.audit), "newest_hash": "ab"}
        return self.page(asked, "audit", self.audit)

    def on_settings(self, asked, parts):
        found = [one for one in self.settings if not parts or one["key"] == parts[0]]
        if not found:
            raise Refused(404, "not_found", "there is no such setting")
        return 200, {"settings": found}

    def on_status(self, asked, parts):
        return 200, {"program": "envgate-control", "version": "0.1.0", "time": NOW}

    def on_doctor(self, asked, parts):
        return 200, {"checks": self.checks}

    # -- its life

    def __enter__(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

            def serve(self):
                size = int(self.headers.get("Content-Length", 0))
                asked = Asked(self.command, self.path, self.headers, self.rfile.read(size).decode())
                fake.asked.append(asked)
                self.close_connection = True
                override = fake.overrides.get((asked.method, asked.path))
                if override:
                    return override(self)
                if asked.path == "/api/events":
                    return self.stream(asked)
                try:
                    status, answer = fake.answer(asked)
                except Refused as refused:
                    return self.reply(refused.status, refused.problem, "application/problem+json")
                self.reply(status, answer)

            def reply(self, status, answer, content_type="application/json", etag='"3"'):
                body = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def chunk(self, data):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()

            def stream(self, asked):
                """What is kept after Last-Event-ID, and then nothing more until the fake ends."""
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                after = int(asked.headers.get("Last-Event-ID", -1))
                for number, kind, body in list(fake.events):
                    if after >= 0 and number > after:
                        data = json.dumps(body).encode()
                        whole = b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), data)
                        self.chunk(whole[:7])
                        self.chunk(whole[7:])
                if not fake.stream_ends:
                    fake.over.wait()

            do_GET = do_POST = do_PUT = do_DELETE = serve

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # envctl may leave when it has seen enough

        self.stream_ends = False
        self.over = threading.Event()
        self.server = Server(self.socket, Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
