"""The HTTP face: the lab's three routes to the byte, /v1/keys with versions as ETags, and what operators ask."""

import base64
import json
import logging
import re
import threading
import time
import zlib
from concurrent import futures
from typing import Any, Dict, Optional
from urllib.parse import unquote_plus

from flask import Flask, Response, request
from prometheus_client import generate_latest
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, MapAdapter

from srekv.app import model
from srekv.app.faults import FaultyStore
from srekv.app.metrics import Metrics
from srekv.app.model import Condition, Conflict, Refused, ServiceError, Unavailable, problem
from srekv.app.openapi import OPERATIONS, document

LOG = logging.getLogger(__name__)

SLOW_S = 1.0  # what takes longer is logged
WAIT_S = 0.7  # for /ready; with PATIENCE_S, that a request may wait before, under 1 s

_TAG = re.compile(r'(W/)?"(0|[1-9][0-9]{0,19})?[^"]*"')


class _Rest(BaseConverter):
    """The rest of the path: slashes, line breaks, nothing at all."""

    regex = "(?s:.*)"
    part_isolating = False


class _Answer(Response):
    """A response whose headers are complete as they are, which werkzeug works out again for each."""

    def get_wsgi_headers(self, environ: Any) -> Any:
        return self.headers if self.status_code == 200 else super().get_wsgi_headers(environ)


class _App(Flask):
    """Flask without what only applications with several hosts need."""

    response_class = _Answer

    def create_url_adapter(self, request: Any) -> Any:
        return request and MapAdapter(self.url_map, "", "/", None, "http", request.path, request.method)


def create_app(store: FaultyStore, node: str, stopping: threading.Event, metrics: Metrics) -> Flask:
    """The application; `node` signs every answer, `stopping` ends what a fault lets hang.

    It logs a dict for each failure and slow request, and on level INFO for every one.
    """
    app = _App("srekv.app", static_folder=None)
    app.url_map.converters["default"] = _Rest
    app.url_map.merge_slashes = False
    service = _Service(store, node, stopping, metrics)
    app.before_request(service.misbehave)
    app.after_request(service.sign)
    app.register_error_handler(Exception, service.explain)
    for line in OPERATIONS.splitlines():
        name, method, path, *_ = line.split()
        app.add_url_rule(path.replace("{", "<").replace("}", ">"), name, getattr(service, name), methods=[method])
    return app


class _Service:
    """A view for each of the OPERATIONS, called unchanged, and what comes before and after them."""

    def __init__(self, store: FaultyStore, node: str, stopping: threading.Event, metrics: Metrics) -> None:
        self._store, self._node, self._stopping, self._metrics = store, node, stopping, metrics
        self._lock = threading.Lock()
        self._look: Any = None

    def misbehave(self) -> Optional[Response]:
        request.environ.setdefault("srekv.began", time.monotonic())
        words = self._store.active()
        while "hang" in words and not self._stopping.wait(0.1):
            words = self._store.active()
        word = "unhealthy" if words and request.path == "/health" else "lying"
        return _problem(500, word, "injected fault") if word in words else None

    def sign(self, response: Response) -> Response:
        environ, status = request.environ, response.status_code
        seconds, identity = time.monotonic() - environ["srekv.began"], self._metrics.identify(environ)
        self._metrics.requests(request.endpoint or "none", status).observe(seconds)
        if status >= 500 or seconds > SLOW_S or LOG.isEnabledFor(logging.INFO):
            self._log(status, seconds, identity)
        response.headers.add("X-Request-Id", identity)
        response.headers.add("X-Srekv-Node", self._node)
        response.headers.add("Cache-Control", "no-store")
        # Values are anybody's, and the lab's routes serve them as HTML: no browser may run them.
        response.headers.add("Content-Security-Policy", "sandbox")
        return response

    def _log(self, status: int, seconds: float, identity: str) -> None:
        line: Dict[str, Any] = {"node": self._node, "id": identity, "status": status, "ms": round(seconds * 1000, 1)}
        line.update(method=request.environ["REQUEST_METHOD"], path=request.path)
        failure = request.environ.get("srekv.failure")
        line.update({"reason": str(failure)} if failure else {})
        defect = None if isinstance(failure, ServiceError) else failure
        level = logging.ERROR if status >= 500 else logging.WARNING if seconds > SLOW_S else logging.INFO
        LOG.log(level, line, exc_info=defect)

    def explain(self, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            response = _problem(error.code or 500, error.name.lower(), str(error.description))
            response.headers.update({name: value for name, value in error.get_headers() if name == "Allow"})
            return response
        failure = error if isinstance(error, ServiceError) else ServiceError("see the service's log")
        request.environ["srekv.failure"] = error
        response = _problem(failure.status, failure.word, str(failure), failure.outcome)
        if failure.status == 503:
            response.headers["Retry-After"] = "1"
        return response

    def health(self) -> str:
        return "OK"

    def ready(self) -> str:
        with self._lock:  # concurrent requests share one read of the table
            if self._look is None or self._look.done():
                self._look = futures.Future()
                threading.Thread(target=self._find_out, args=(self._look,), daemon=True).start()
            look = self._look
        try:
            look.result(WAIT_S)
        except futures.TimeoutError:
            raise Unavailable(f"the table has not answered for {WAIT_S} s") from None
        return "OK"

    def _find_out(self, look: Any) -> None:
        try:
            look.set_result(self._store.get("ready", consistent=False))
        except Exception as error:  # noqa: BLE001 - who asked gets it
            look.set_exception(error)

    def metrics(self) -> Response:
        text = generate_latest(self._metrics.registry)
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    def openapi(self) -> Response:
        return Response(json.dumps(document()), mimetype="application/json")

    def write(self) -> str:
        arguments = _arguments()
        key, value = _check_key(arguments.get("key")), arguments.get("value")
        self._store.put(key, _check_value(key, value if value is None else value.encode()), Condition())
        return '{"status": "written"}'

    def read(self) -> str:
        arguments = _arguments()
        key = _check_key(arguments.get("key"))
        item = self._store.get(key, consistent=_consistent(arguments))
        try:
            return json.dumps({"key": key, "value": item.value.decode()} if item else {})
        except UnicodeDecodeError:
            raise Refused("the value is not text: read it at /v1/keys/") from None

    def get_key(self, key: str) -> Response:
        item = self._store.get(_check_path(key), consistent=_consistent(_arguments()))
        if item is None:
            return _problem(404, "not found", "there is no such key")
        tag, known = f'"{item.version}"', request.headers.get("If-None-Match", "")
        if tag in known or known == "*":
            return Response(status=304, headers={"ETag": tag})
        try:
            item.value.decode()
            kind = "text/plain"
        except UnicodeDecodeError:
            kind = "application/octet-stream"
        return Response(item.value, headers={"ETag": tag}, mimetype=kind)

    def put_key(self, key: str) -> Response:
        value = _check_value(_check_path(key), request.get_data(cache=False))
        version = self._store.put(key, value, _condition())
        return Response('{"status": "written"}', headers={"ETag": f'"{version}"'}, mimetype="application/json")

    def delete_key(self, key: str) -> Response:
        self._store.delete(_check_path(key), _condition())
        return Response(status=204)

    def list_keys(self) -> Response:
        arguments = _arguments()
        prefix, limit = arguments.get("prefix", ""), arguments.get("limit", "100")
        if prefix:
            _check("prefix", prefix.encode(), model.MAX_KEY)
        if not re.fullmatch("[1-9][0-9]{0,3}", limit) or int(limit) > model.MAX_LIST:
            raise Refused(f"limit must be a number from 1 to {model.MAX_LIST}")
        after, consistent = _after(arguments.get("cursor")), _consistent(arguments)
        found, last = self._store.keys(prefix, int(limit), after, consistent=consistent)
        keys = [{"key": key, "etag": f'"{version}"'} for key, version in found]
        body = {"keys": keys, "cursor": None if last is None else _cursor(last)}
        return Response(json.dumps(body), mimetype="application/json")


def _problem(status: int, word: str, reason: str, outcome: str = "") -> Response:
    return Response(problem(status, word, reason, outcome), status, mimetype=model.PROBLEM)


def _cursor(key: str) -> str:
    data = key.encode()
    return base64.urlsafe_b64encode(zlib.crc32(data).to_bytes(4, "big") + data).decode()


def _after(cursor: Optional[str]) -> Optional[str]:
    """The key in a cursor; no cursor or an empty one: the beginning."""
    try:
        key = base64.urlsafe_b64decode(cursor or "")[4:].decode()
    except ValueError:
        key = ""
    if cursor and _cursor(key) != cursor:
        raise Refused("there never was such a cursor")
    return key or None


def _check(what: str, data: Optional[bytes], most: int) -> bytes:
    """The data; refuses what is missing (None), empty or larger than `most` bytes."""
    if not data:
        raise Refused(f"the {what} is missing" if data is None else f"the {what} is empty")
    if len(data) > most:
        raise Refused(f"the {what} has {len(data)} bytes, at most {most} are allowed")
    return data


def _check_key(key: Optional[str]) -> str:
    _check("key", None if key is None else key.encode(), model.MAX_KEY)
    return str(key)


def _check_path(key: str) -> str:
    try:
        request.environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Refused("the path is not UTF-8") from None
    return _check_key(key)


def _check_value(key: str, value: Optional[bytes]) -> bytes:
    return _check("value", value, model.MAX_ITEM - model.OVERHEAD - len(key.encode()))


def _arguments() -> Dict[str, str]:
    """The first query argument of each name; werkzeug's own parser lets broken UTF-8 pass as other text."""
    found: Dict[str, str] = {}
    try:
        for pair in request.query_string.decode().split("&"):
            name, _, value = pair.partition("=")
            found.setdefault(unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict"))
    except ValueError as error:
        raise Refused(f"the query is not UTF-8: {error}") from None
    return found


def _consistent(arguments: Dict[str, str]) -> bool:
    text = arguments.get("consistent", "true")
    if text not in ("true", "false"):
        raise Refused("consistent must be true or false")
    return text == "true"


def _condition() -> Condition:
    """If-Match and If-None-Match of a write."""
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if none_match is not None:
        if match is not None or none_match != "*":
            raise Refused("a write takes If-None-Match: * or one If-Match")
        return Condition(exists=False)
    if match is None or match == "*":
        return Condition(exists=True if match else None)
    tag = _TAG.fullmatch(match)
    if tag is None:
        raise Refused('If-Match takes * or one quoted version, for example "7"')
    if match != f'"{tag[2]}"':
        raise Conflict("no version has such a tag")
    return Condition(version=int(tag[2]))
