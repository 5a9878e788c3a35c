"""HTTP/1.1 messages: a request's bytes as a WSGI environment, an application's answer as bytes."""

import io
import re
import sys
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Dict, List, NamedTuple, Tuple
from urllib.parse import unquote_to_bytes

from srekv.app.model import PROBLEM, problem

MAX_HEAD = 1_300_000  # bytes: the lab's /write has the value there, escaped
MAX_BODY, MAX_FIELDS = 1_000_000, 100

_HEAD = re.compile(
    r"([A-Z]{1,20}) (?:http://[^/? ]*)?([/*][!-~\x80-\xff]*) HTTP/1\.([01])"
    r"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*)*)"
)


class Refusal(Exception):
    """A request that no application sees; after it the connection ends."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Request(NamedTuple):
    """A request's head: the path as it came, the WSGI environment without input, and what the server needs of it."""

    path: str
    environ: Dict[str, Any]
    length: int
    keep: bool
    expects: bool


def parse(head: bytes) -> Request:
    """The request with this head, which has no empty line; raises Refusal."""
    match = _HEAD.fullmatch(head.decode("latin-1"))
    if match is None:
        raise Refusal(400, "this is no HTTP/1.1 request")
    method, target, minor, fields = match.groups()
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1") if "%" in path else path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1." + minor,
        **_COMMON,
    }
    lines = fields.split("\r\n")
    if len(lines) > MAX_FIELDS + 1:
        raise Refusal(431, f"more than {MAX_FIELDS} header fields")
    for line in lines[1:]:
        name, _, value = line.partition(":")
        key = _key(name)
        value = value.strip(" \t")
        environ[key] = f"{environ[key]}, {value}" if key in environ else value
    wish = environ.get("HTTP_CONNECTION", "").lower()
    keep = "close" not in wish if minor == "1" else "keep-alive" in wish
    expects = "100-continue" in environ.get("HTTP_EXPECT", "").lower()
    return Request(path, environ, _length(environ), keep, expects)


def _length(environ: Dict[str, Any]) -> int:
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise Refusal(411, "a body needs a Content-Length")
    text = environ.get("CONTENT_LENGTH", "0")
    if not re.fullmatch("[0-9]{1,18}", text):
        raise Refusal(400, "the Content-Length is no number")
    if int(text) > MAX_BODY:
        raise Refusal(413, f"the body has {text} bytes, at most {MAX_BODY} are taken")
    return int(text)


@lru_cache(256)
def _key(name: str) -> str:
    """A header field's name in the environment; with an underscore it would pass for another one."""
    key = name.upper().replace("-", "_") if "_" not in name else "X"
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def respond(app: Any, request: Request, body: bytes, *, last: bool) -> bytes:
    """The application's whole answer; with `last` it says that the connection ends."""
    started: List[Any] = []
    chunks = app({**request.environ, "wsgi.input": io.BytesIO(body)}, lambda *arguments: started.append(arguments))
    try:
        content = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers, *_ = started[-1]
    return encode(status, headers, content, last=last)


def refusal(node: str, identity: str, status: int, reason: str, *, last: bool) -> bytes:
    """An answer of the server's own, like those of the application."""
    word, late = HTTPStatus(status).phrase, status == 503
    body = problem(status, "unavailable" if late else word.lower(), reason, "failed" if late else "").encode()
    headers = [("Content-Type", PROBLEM), ("Content-Length", str(len(body))), ("X-Request-Id", identity)]
    headers += [("X-Srekv-Node", node), *([("Retry-After", "1")] if late else [])]
    return encode(f"{status} {word}", headers, body, last=last)


def encode(status: str, headers: List[Tuple[str, str]], content: bytes, *, last: bool) -> bytes:
    """The message; `headers` say its length."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    ending = "Connection: close\r\n\r\n" if last else "Connection: keep-alive\r\n\r\n"
    return f"HTTP/1.1 {status}\r\n{_date(int(time.time()))}{lines}{ending}".encode("latin-1") + content


@lru_cache(1)
def _date(now: int) -> str:
    return time.strftime("Server: srekv\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime(now))


_COMMON: Dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "srekv",
    "SERVER_PORT": "80",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
