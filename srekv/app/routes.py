"""The HTTP face: the lab's three routes to the byte, /v1/keys with versions as ETags, and what operators ask."""

import base64
import json
import logging
import re
import threading
import time
import zlib
from typing import Any, Dict, Optional
from urllib.parse import unquote_plus

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, MapAdapter

from srekv.app.faults import Faults
from srekv.app.metrics import Metrics
from srekv.app.model import (
    MAX_ITEM,
    MAX_KEY,
    MAX_LIST,
    OVERHEAD,
    PROBLEM,
    Condition,
    Conflict,
    Refused,
    ServiceError,
    Store,
    check,
    problem,
)
from srekv.app.openapi import document
from srekv.app.ready import Readiness

LOG = logging.getLogger(__name__)

SLOW_S = 1.0
"""What takes longer is logged."""

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


def create_app(store: Store, node: str, faults: Faults, stopping: threading.Event, metrics: Metrics) -> Flask:
    """The application; `node` signs every answer, `stopping` ends what a fault lets hang.

    It logs a dict for each failure and slow request, and on level INFO for every one.
    """
    app = _App("srekv.app", static_folder=None)
    app.url_map.converters["rest"] = _Rest
    app.url_map.merge_slashes = False
    _add_faults(app, faults, stopping)
    _add_answers(app, node, metrics)
    _add_lab(app, store)
    _add_keys(app, store)
    _add_list(app, store)
    _add_insight(app, store, metrics)
    return app


def _add_faults(app: Flask, faults: Faults, stopping: threading.Event) -> None:
    @app.before_request
    def misbehave() -> Optional[Response]:
        request.environ.setdefault("srekv.began", time.monotonic())
        words = faults.active()
        while "hang" in words and not stopping.wait(0.1):
            words = faults.active()
        word = "unhealthy" if words and request.path == "/health" else "lying"
        return _problem(500, word, "injected fault") if word in words else None


def _add_answers(app: Flask, node: str, metrics: Metrics) -> None:
    def log(status: int, seconds: float, identity: str) -> None:
        environ = request.environ
        line: Dict[str, Any] = {"node": node, "id": identity, "status": status, "ms": round(seconds * 1000, 1)}
        line.update(method=environ["REQUEST_METHOD"], path=request.path)
        failure = environ.get("srekv.failure")
        if failure:
            line["reason"] = str(failure)
        defect = None if isinstance(failure, ServiceError) else failure
        level = logging.ERROR if status >= 500 else logging.WARNING if seconds > SLOW_S else logging.INFO
        LOG.log(level, line, exc_info=defect)

    @app.after_request
    def sign(response: Response) -> Response:
        environ, status = request.environ, response.status_code
        seconds, identity = time.monotonic() - environ["srekv.began"], metrics.identify(environ)
        metrics.answered(request.endpoint or "none", status, seconds)
        if status >= 500 or seconds > SLOW_S or LOG.isEnabledFor(logging.INFO):
            log(status, seconds, identity)
        response.headers.add("X-Request-Id", identity)
        response.headers.add("X-Srekv-Node", node)
        response.headers.add("Cache-Control", "no-store")
        # Values are anybody's, and the lab's routes serve them as HTML: no browser may run them.
        response.headers.add("Content-Security-Policy", "sandbox")
        return response

    @app.errorhandler(Exception)
    def explain(error: Exception) -> Response:
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


def _problem(status: int, word: str, reason: str, outcome: str = "") -> Response:
    return Response(problem(status, word, reason, outcome), status, mimetype=PROBLEM)


def _add_lab(app: Flask, store: Store) -> None:
    @app.get("/health")
    def health() -> str:
        return "OK"

    @app.get("/write")
    def write() -> str:
        arguments = _arguments()
        key, value = _key(arguments.get("key")), arguments.get("value")
        data = None if value is None else value.encode()
        _check_value(key, None if data is None else len(data))
        store.put(key, data or b"", Condition())
        return '{"status": "written"}'

    @app.get("/read")
    def read() -> str:
        arguments = _arguments()
        key = _key(arguments.get("key"))
        item = store.get(key, consistent=_consistent(arguments))
        try:
            return json.dumps({"key": key, "value": item.value.decode()} if item else {})
        except UnicodeDecodeError:
            raise Refused("the value is not text: read it at /v1/keys/") from None


def _add_keys(app: Flask, store: Store) -> None:
    @app.get("/v1/keys/<rest:key>")
    def get_key(key: str) -> Response:
        item = store.get(_path_key(key), consistent=_consistent(_arguments()))
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

    @app.put("/v1/keys/<rest:key>")
    def put_key(key: str) -> Response:
        _check_value(_path_key(key), request.content_length or 0)
        version = store.put(key, request.get_data(cache=False), _condition())
        return Response('{"status": "written"}', headers={"ETag": f'"{version}"'}, mimetype="application/json")

    @app.delete("/v1/keys/<rest:key>")
    def delete_key(key: str) -> Response:
        store.delete(_path_key(key), _condition())
        return Response(status=204)


def _add_list(app: Flask, store: Store) -> None:
    @app.get("/v1/keys")
    def list_keys() -> Response:
        arguments = _arguments()
        prefix, limit = arguments.get("prefix", ""), arguments.get("limit", "100")
        check("prefix", len(prefix.encode()) + 1, MAX_KEY + 1)
        if not re.fullmatch("[1-9][0-9]{0,3}", limit) or int(limit) > MAX_LIST:
            raise Refused(f"limit must be a number from 1 to {MAX_LIST}")
        after, consistent = _after(arguments.get("cursor")), _consistent(arguments)
        found, last = store.keys(prefix, int(limit), after, consistent=consistent)
        keys = [{"key": key, "etag": f'"{version}"'} for key, version in found]
        body = {"keys": keys, "cursor": None if last is None else _cursor(last)}
        return Response(json.dumps(body), mimetype="application/json")


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


def _add_insight(app: Flask, store: Store, metrics: Metrics) -> None:
    readiness = Readiness(lambda: store.get("ready", consistent=False))

    @app.get("/ready")
    def ready() -> str:
        readiness.demand()
        return "OK"

    @app.get("/metrics", endpoint="metrics")
    def show_metrics() -> Response:
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(json.dumps(document()), mimetype="application/json")


def _key(key: Optional[str]) -> str:
    check("key", None if key is None else len(key.encode()), MAX_KEY)
    return str(key)


def _check_value(key: str, size: Optional[int]) -> None:
    check("value", size, MAX_ITEM - OVERHEAD - len(key.encode()))


def _path_key(key: str) -> str:
    try:
        request.environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Refused("the path is not UTF-8") from None
    return _key(key)


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
