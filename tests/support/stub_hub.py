"""A hub on this machine: it takes repositories and commits, and remembers every request."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubHub:
    """repos: (type, name) → how it was asked for; commits: [(type, name, {path: bytes}, commit id)]; tokens: of
    the requests; paths: of all requests, in order."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], dict[str, Any]] = {}
        self.commits: list[tuple[str, str, dict[str, bytes], str]] = []
        self.tokens: set[str | None] = set()
        self.paths: list[str] = []
        self.endpoint = ""
        self.allowed: str | None = None


@contextmanager
def stub_hub(allowed: str | None = None) -> Iterator[StubHub]:
    """allowed: the one token that may write; None: any."""
    hub = StubHub()
    hub.allowed = allowed

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.split("?")[0]
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            hub.paths.append(path)
            hub.tokens.add(token)
            if hub.allowed is not None and token != hub.allowed:
                self._answer(401, {"error": "Invalid credentials in Authorization header"})
                return
            parts = path.split("/")[2:]
            if parts == ["repos", "create"]:
                asked = json.loads(body)
                kind = asked.get("type", "model")
                name = f"{asked['organization']}/{asked['name']}"
                hub.repos[kind, name] = asked
                self._answer(200, {"url": f"{hub.endpoint}/{name}", "id": name})
                return
            kind, owner, name, action, _ = parts
            if action == "preupload":
                files = [
                    {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for one in json.loads(body)["files"]
                ]
                self._answer(200, {"files": files})
                return
            assert action == "commit", path
            lines = [json.loads(line) for line in body.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            commit = f"{len(hub.commits):040x}"
            hub.commits.append((kind.removesuffix("s"), f"{owner}/{name}", files, commit))
            url = f"{hub.endpoint}/{owner}/{name}/commit/{commit}"
            self._answer(200, {"success": True, "commitOid": commit, "commitUrl": url})

        def do_GET(self) -> None:
            hub.paths.append(self.path)
            self._answer(404, {"error": "nothing to read here"})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
