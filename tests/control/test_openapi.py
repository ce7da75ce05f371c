"""The OpenAPI document against the running server: bodies that are sent, answers that come, refusals."""
import http.client
import json
from urllib.parse import quote

import pytest

from plane import UnixConnection
from test_docker import spec

KINDS = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
         "boolean": bool, "null": type(None)}


class Schema:
    """The part of JSON Schema that the document uses. A member that is not in it is wrong, too."""

    def __init__(self, document):
        self.all = document["components"]["schemas"]

    def check(self, value, schema, at):
        if "$ref" in schema:
            return self.check(value, self.all[schema["$ref"].rpartition("/")[2]], at)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                assert any(self.fits(value, choice) for choice in schema[several]), \
                    f"{at}: {value!r} fits none of {schema[several]}"
                return None
        if "type" in schema:
            kind = KINDS[schema["type"]]
            assert isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), \
                f"{at}: {value!r} is not {schema['type']}"
        assert value in schema.get("enum", [value]), f"{at}: {value!r} is none of {schema['enum']}"
        if "properties" in schema:
            missing = set(schema.get("required", [])) - set(value)
            assert not missing, f"{at}: {missing} is missing"
            unknown = set(value) - set(schema["properties"])
            assert not unknown, f"{at}: {unknown} is not described"
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                self.check(value[name], inner, f"{at}.{name}")
        for i, item in enumerate(value if schema.get("type") == "array" else []):
            self.check(item, schema.get("items", {}), f"{at}[{i}]")
        return None

    def fits(self, value, schema):
        try:
            self.check(value, schema, "")
        except (AssertionError, TypeError):
            return False
        return True


class Checked:
    """Asks as a program does that was made from the document."""

    def __init__(self, plane):
        self.plane = plane
        self.document = plane.ask("GET", "/api/openapi.json")
        self.schema = Schema(self.document)
        self.asked = set()

    def operation(self, method, path):
        parts = path.partition("?")[0].split("/")
        for template, methods in self.document["paths"].items():
            words = template.split("/")
            if len(words) == len(parts) and all(w == p or w.startswith("{") for w, p in zip(words, parts)) \
                    and method.lower() in methods:
                self.asked.add((method, template))
                return methods[method.lower()]
        raise AssertionError(f"{method} {path} is not in the document")

    def ask(self, method, path, body=None, kind="application/json", **headers):
        said = self.operation(method, path)
        if "requestBody" in said and kind == "application/json" and body is not None:
            content = said["requestBody"]["content"]
            self.schema.check(body, content["application/json"]["schema"], f"{method} {path} body")
        connection = UnixConnection(self.plane.socket)
        text = body if isinstance(body, str) else None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": kind, **headers})
        answer = connection.getresponse()
        value = json.loads(answer.read())
        connection.close()
        if answer.status >= 400:
            refusal = said["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert answer.headers["Content-Type"] == "application/problem+json"
            self.schema.check(value, refusal, f"{method} {path}")
            return answer.status, value
        assert str(answer.status) in said["responses"], f"{method} {path} answered {answer.status}"
        content = said["responses"][str(answer.status)]["content"]
        self.schema.check(value, content["application/json"]["schema"], f"{method} {path}")
        return answer.status, value


@pytest.fixture
def checked(plane):
    return Checked(plane)


def test_what_is_asked_and_answered_is_as_the_document_says(checked):
    assert checked.document["openapi"] == "3.1.0"
    amounts = {"cpu": 8, "memory": "8GiB", "gpu": 0, "storage": "1TiB", "environments": 5}
    assert checked.ask("PUT", "/api/quotas/ada", amounts)[0] == 200
    body = spec(env={"A": "b"}, command=[], shm="64MiB", pids=100, storage="1GiB",
                ports=[{"port": 8888, "access": "private", "scheme": "http"}],
                ssh={"mode": "passthrough", "user": "root", "keys": []})
    body["policy"] = {"volumes": "remove", "allow_from": ["10.0.0.0/8"], "start": "on_demand",
                      "shared_with": ["bob"], "ssh": {"forbid": ["x11"], "record_input": True,
                                                      "force_command": ""}}
    assert checked.ask("POST", "/api/environments?dry_run=1", body)[0] == 200
    status, made = checked.ask("POST", "/api/environments", body, Prefer="wait=60")
    assert status == 202
    path = f"/api/environments/{made['environment']['id']}"
    checked.ask("GET", f"/api/operations/{made['operation']['id']}")
    checked.ask("GET", path + "/access")
    checked.ask("PATCH", path, {"name": "other"}, Prefer="wait=60")
    checked.ask("POST", path + "/tickets", {"port": 8888})
    for verb in ("stop", "start", "restart", "rotate"):
        assert checked.ask("POST", f"{path}/{verb}", Prefer="wait=60")[0] == 202, verb
    again = {"image": body["spec"]["image"]}
    assert checked.ask("POST", path + "/rebuild", again, Prefer="wait=60")[0] == 202

    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0eFRaRrYvHqUXS2sJdXmz7PhVgcqK7Ce9yNuzO8m4q"
    machine = {"name": "m1", "address": "127.0.0.1", "ssh_port": 1, "admin_key": "/nowhere",
               "host_keys": [key], "gpus": 8, "gpu_model": "A100", "memory": "1TiB", "labels": {"rack": "r1"}}
    assert checked.ask("POST", "/api/machines", machine)[0] == 201
    csv = f"name,address,ssh_port,admin_key,host_keys\nm2,127.0.0.2,1,/nowhere,{key}\n"
    checked.ask("POST", "/api/machines/import", csv, "text/csv")
    for verb in ("check", "maintenance", "available"):
        assert checked.ask("POST", f"/api/machines/m1/{verb}")[0] == 200
    ssh_key = {"public_key": key}
    asked = {"environment": made["environment"]["id"], **ssh_key, "customer": "ada", "source": "::1",
             "session": "s"}
    assert checked.ask("POST", "/api/gateway/credentials", asked)[0] == 409, "in passthrough"
    assert checked.ask("PATCH", path, {"spec": {"ssh": {"mode": "audited"}}}, Prefer="wait=60")[0] == 202
    assert checked.ask("POST", "/api/gateway/credentials", asked)[0] == 200
    wake = {"environment": asked["environment"], "why": "x"}
    assert checked.ask("POST", "/api/gateway/wake", wake)[0] == 200
    assert checked.ask("PUT", "/api/owners/ada/policy", {"ssh": {"forbid": ["pty"]}})[0] == 200
    assert checked.ask("PUT", "/api/owners/ada/totp")[0] == 200
    code = {"environment": asked["environment"], "code": "1"}
    assert checked.ask("POST", "/api/gateway/totp", code)[1] == {"ok": False}
    assert checked.ask("DELETE", "/api/owners/ada/totp")[0] == 200
    status, added = checked.ask("POST", "/api/owners/ada/keys", ssh_key)
    assert status == 201
    assert checked.ask("GET", "/api/owners/ada/keys")[1]["keys"] == [added]
    fingerprint = quote(added["fingerprint"], safe="")
    assert checked.ask("DELETE", f"/api/owners/ada/keys/{fingerprint}")[0] == 200
    status, token = checked.ask("POST", "/api/tokens", {"name": "ci", "role": "read",
                                                        "expires_at": "2100-01-01T00:00:00Z"})
    assert status == 201 and token["token"]
    names = {"{id}": made["environment"]["id"], "{owner}": "ada", "{key}": "control.docker"}
    for template, methods in checked.document["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "application/json" not in answer or template == "/api/operations/{id}" or \
                template == "/api/openapi.json":
            continue
        where = template.replace("{name}", "m1" if "machines" in template else "local")
        for name, value in names.items():
            where = where.replace(name, value)
        assert checked.ask("GET", where)[0] == 200, where

    assert checked.ask("DELETE", f"/api/tokens/{token['id']}")[0] == 200
    assert checked.ask("DELETE", "/api/machines/m1")[0] == 200
    assert checked.ask("POST", "/api/nodes", {"name": "n", "host": "127.0.0.1:1", "address": "127.0.0.1",
                                              "ca": "/a", "certificate": "/b", "private_key": "/c"})[0] == 409
    assert checked.ask("DELETE", "/api/nodes/none")[0] == 404
    assert checked.ask("POST", "/api/nodes/none/maintenance")[0] == 404
    assert checked.ask("POST", "/api/nodes/none/available")[0] == 404
    assert checked.ask("DELETE", path, Prefer="wait=60")[0] == 202
    assert checked.ask("DELETE", "/api/quotas/ada")[0] == 200
    streams = {("GET", "/api/events"), ("GET", "/api/gateway/wake/{environment}"),
               ("GET", "/metrics"), ("GET", "/api/openapi.json")}
    every = {(method.upper(), path)
             for path, methods in checked.document["paths"].items() for method in methods}
    assert every - checked.asked - streams == set(), "nobody has asked these"


def test_nothing_but_the_table_is_served(checked):
    """A path with the wrong method names the right ones, for every path of the document."""
    for template, methods in checked.document["paths"].items():
        connection = UnixConnection(checked.plane.socket)
        connection.request("PROPFIND", template.replace("{", "x").replace("}", "x"))
        answer = connection.getresponse()
        answer.read()
        assert isinstance(answer, http.client.HTTPResponse) and answer.status == 405, template
        assert {method.upper() for method in methods} <= set(answer.headers["Allow"].split(", "))
        connection.close()
