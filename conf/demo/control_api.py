"""The control plane's REST API, as far as the quickstart uses it: control/api/README.md is the contract."""
import http.client
import json
from urllib.parse import quote

import unix_http

LONGEST_WAIT = 90  # seconds, for a change to be done


class Refused(RuntimeError):
    def __init__(self, what, status, problem):
        texts = [problem.get("detail") or problem.get("title") or f"status {status}"]
        texts += [f"{error.get('pointer')} {error.get('message')}" for error in problem.get("errors", [])]
        super().__init__(f"the control plane refuses {what}: {'; '.join(texts)}")
        self.status = status


class ControlApi:
    def __init__(self, socket):
        self.socket = socket

    def ask(self, method, path, body=None, **headers):
        text = None if body is None else json.dumps(body)
        fields = {"Content-Type": "application/json", **headers}
        try:
            status, answer = unix_http.ask(self.socket, method, path, text, fields, LONGEST_WAIT + 10)
            said = json.loads(answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RuntimeError(f"the control plane does not answer on {self.socket}: {error}") from None
        if status >= 400:
            raise Refused(f"{method} {path}", status, said)
        return said

    def find(self, path):
        """What is there, or None."""
        try:
            return self.ask("GET", path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def change(self, method, path, body=None):
        """A change of an environment, waited for; returns the environment."""
        answer = self.ask(method, path, body, Prefer=f"wait={LONGEST_WAIT}")
        operation = answer["operation"]
        if operation["state"] != "done":
            there = self.ask("GET", f"/api/environments/{answer['environment']['id']}")
            why = [condition["message"] for condition in there["conditions"] if condition["message"]]
            error = operation.get("error") or {"message": "; ".join(why) or "it takes too long"}
            raise RuntimeError(f"environment {there['name']}: {operation['kind']} is {operation['state']}: "
                               f"{error['message']}")
        return answer["environment"]

    def environments(self):
        """All of them, whatever the length of a page."""
        found, cursor = [], ""
        while cursor is not None:
            page = self.ask("GET", f"/api/environments?limit=1000{cursor}")
            found += page["environments"]
            cursor = page["next"] and f"&cursor={quote(page['next'])}"
        return found
