"""Moto servers to measure against: an ordinary one, and one as slow as AWS."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

TABLE_ACTIVE_AFTER_S = 7.0
INSTANCE_RUNNING_AFTER_S = 10.0
CALL_S = 0.08

REWRITTEN = {"content-length", "x-amz-crc32"}
"""Headers that tell of the body; botocore takes a DynamoDB answer with a wrong checksum for lost and asks again."""

Environ = dict[str, Any]


class Slow:
    """WSGI middleware: each call takes CALL_S more, tables and instances take their time to come up."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._tables: dict[str, float] = {}
        self._instances: dict[str, float] = {}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer late, and not yet with the final states."""
        time.sleep(CALL_S)
        answer: list[Any] = []
        body = b"".join(self._app(environ, lambda *arguments: answer.append(arguments)))
        status, headers, *_ = answer[0]
        body = self._held_back(body)
        kept = [(name, value) for name, value in headers if name.lower() not in REWRITTEN]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    def _held_back(self, body: bytes) -> bytes:
        text = body.decode("utf-8", "replace")
        now = time.monotonic()
        if '"TableStatus"' in text:
            name = re.search(r'"TableName": ?"([^"]+)"', text)
            since = self._tables.setdefault(name[1] if name else "", now)
            return body if now - since > TABLE_ACTIVE_AFTER_S else body.replace(b'"ACTIVE"', b'"CREATING"')
        if "<instanceState>" in text:
            since = min(self._instances.setdefault(one, now) for one in re.findall(r"<instanceId>(i-\w+)", text))
            running = b"<code>16</code><name>running</name>"
            pending = b"<code>0</code><name>pending</name>"
            squeezed = re.sub(rb">\s+<", b"><", body)
            return body if now - since > INSTANCE_RUNNING_AFTER_S else squeezed.replace(running, pending)
        return body


def serve(*, slow: bool) -> None:
    """Serve on a free port, print it, and end with the standard input."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app: Any = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, Slow(app) if slow else app, threaded=True)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


@contextmanager
def moto(*, slow: bool = False) -> Iterator[str]:
    """A moto server in its own process; yields its URL."""
    arguments = [sys.executable, __file__, *(["--slow"] if slow else [])]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()
        process.wait(timeout=10)


def reset(url: str) -> None:
    """Empty a moto server."""
    request = urllib.request.Request(f"{url}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=10).close()


if __name__ == "__main__":
    serve(slow="--slow" in sys.argv)
