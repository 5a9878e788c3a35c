"""Moto's application in this process: behind a gate, and called as a function by sessions that make clients once."""

from __future__ import annotations

import functools
import io
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from urllib3 import HTTPResponse
from werkzeug.test import EnvironBuilder

KEYS = {"aws_access_key_id": "AKIAOPERATOR", "aws_secret_access_key": "secret"}

ACCOUNT = "210987654321"
"""Not moto's default account: moto keeps one state a process, and other tests of this process use that one."""


class Gate:
    """Stands before moto's application: lets one request in at a time, and can hold the calls of an operation.

    Two requests at once can make moto's serializer fail: it keeps a table that requests share.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._one_at_a_time = threading.Lock()
        self._held = b""
        self.reached = threading.Event()
        self._open = threading.Event()

    def hold(self, operation: str) -> None:
        """Let the calls of this EC2 or IAM operation wait; `reached` is set when one does."""
        self.reached.clear()
        self._open.clear()
        self._held = f"Action={operation}&".encode()

    def let_go(self) -> None:
        """Let everything pass."""
        self._held = b""
        self._open.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer a request, in time."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = ACCOUNT
        if self._held:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            if body.startswith(self._held):
                self.reached.set()
                self._open.wait(60)
        with self._one_at_a_time:
            try:
                return list(self._application(environ, start_response))
            except Exception:  # noqa: BLE001 - any error of moto's own is its answer, as it is from a server
                start_response("500 Internal Server Error", [])
                return [b""]


class Session(boto3.Session):
    """Makes each client once, and its clients call moto's application as a function.

    A command makes its own seven clients and some fifty calls, and every test runs several commands: without sockets
    and models read again they take half the time. Commands of processes of their own go over the wire.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__(region_name="us-east-1", **KEYS)
        self._gate = gate
        self._clients: dict[str, Any] = {}

    def client(self, *service: Any, **given: Any) -> Any:
        """The client of this service and these arguments."""
        config = given.get("config")
        which = str((service, {**given, "config": config and vars(config)}))
        if which not in self._clients:
            client: Any = super().client(*service, **given)
            client._endpoint.http_session = Inside(self._gate)
            self._clients[which] = client
        return self._clients[which]


@dataclass(frozen=True)
class Inside:
    """In place of botocore's HTTP session: the request goes through the gate at once."""

    gate: Gate

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer, read whole."""
        url = urlsplit(request.url)
        asked = EnvironBuilder(
            unquote(url.path),
            f"{url.scheme}://{url.netloc}/",
            query_string=url.query,
            method=request.method,
            headers={name: _text(value) for name, value in request.headers.items()},
            data=request.body,
        )
        started: list[tuple[str, Iterable[tuple[str, str]]]] = []
        parts = self.gate(asked.get_environ(), lambda status, headers, *_: started.append((status, headers)))
        status, headers = started[-1]
        body = HTTPResponse(io.BytesIO(b"".join(parts)), preload_content=False)
        return AWSResponse(request.url, int(status[:3]), dict(headers), body)

    def close(self) -> None:
        """Nothing was opened."""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def application() -> Gate:
    """Moto's application, behind a gate."""
    from moto.core import responses
    from moto.server import DomainDispatcherApplication, create_backend_app

    moto: Any = DomainDispatcherApplication(create_backend_app)
    # For every request moto lists the folders of its services and the methods of a class: once each is enough.
    moto.get_backend_for_host = functools.cache(moto.get_backend_for_host)
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    return Gate(moto)


@contextmanager
def serve(wsgi: Any) -> Iterator[str]:
    """Let a WSGI application listen on loopback; its URL."""
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, wsgi, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="wsgi", kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
