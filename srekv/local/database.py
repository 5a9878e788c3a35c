"""A DynamoDB that somebody else runs and that the local cloud's tables live in (`up --dynamodb-endpoint`).

Such databases keep apart what different keys write (DynamoDB Local does unless it runs with -sharedDb), and a local
cloud's keys are made anew each time: so every call is signed with the same made-up keys, whoever made it.
"""

from __future__ import annotations

import http.client
import json
import select
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from srekv.errors import SrekvError, UsageError
from srekv.local.auth import signed_headers
from srekv.local.loopback import is_loopback

ACCESS_KEY = SECRET_KEY = "srekv"  # noqa: S105 - no secret: it keeps nobody out
TIMEOUT_S = 5.0
"""Longer than the service waits for an answer, wall-clock seconds."""

Reply = tuple[int, dict[str, str], bytes]
"""HTTP status, headers, body."""


class Refused(Exception):
    """The database refused a call; `code` is its error code without a prefix, `reply` the whole answer."""

    def __init__(self, reply: Reply) -> None:
        try:
            text = json.loads(reply[2])
            self.code = str(text["__type"]).rpartition("#")[2]
            words = f"{self.code}: {text.get('message') or text.get('Message') or ''}"
        except (ValueError, KeyError, TypeError):
            self.code, words = "", f"HTTP {reply[0]}"
        self.reply = reply
        super().__init__(words)


class Database:
    """The database at `url`, on as many kept connections as there are threads asking."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts = urlsplit(url)
        self._idle: deque[http.client.HTTPConnection] = deque()

    def forward(self, operation: str, region: str, body: bytes) -> Reply:
        """Its answer to a call, whatever it is; raises OSError or http.client.HTTPException."""
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        call = {"method": "POST", "url": self._url, "headers": headers, "data": body}
        headers = signed_headers((ACCESS_KEY, SECRET_KEY), "dynamodb", region, **call)
        link = self._link()
        try:
            link.request("POST", self._parts.path or "/", body, headers)
            with link.getresponse() as answer:
                reply = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        except BaseException:
            link.close()
            raise
        self._idle.append(link)
        return reply

    def close(self) -> None:
        """Let go of every connection that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def call(self, operation: str, region: str, **request: Any) -> dict[str, Any]:
        """The document that it answers with; raises Refused too."""
        reply = self.forward(operation, region, json.dumps(request).encode())
        if reply[0] != 200:
            raise Refused(reply)
        document: dict[str, Any] = json.loads(reply[2])
        return document

    def _link(self) -> http.client.HTTPConnection:
        """The connection used last; one that the database has closed is opened anew by its next request."""
        try:
            link = self._idle.pop()
        except IndexError:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            return kind(str(self._parts.hostname), self._parts.port, timeout=TIMEOUT_S)
        if link.sock is not None:
            poll = select.poll()
            poll.register(link.sock, select.POLLIN)
            if poll.poll(0):
                link.close()
        return link


def refuse_unusable(url: str, *, anywhere: bool) -> None:
    """Make sure that a DynamoDB answers there; it must be on this computer unless it may be `anywhere`.

    Raises UsageError if the URL is none, or leads elsewhere; SrekvError if nothing answers, or what is no DynamoDB.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = None
    if not good or parts.query or parts.fragment or parts.username:
        why = "it must be a URL such as http://127.0.0.1:8001"
        raise UsageError(f"invalid value for --dynamodb-endpoint: {url}", why=why)
    if not anywhere and not is_loopback(str(parts.hostname)):
        raise UsageError(
            f"--dynamodb-endpoint {url} is not on this computer",
            why="it gets every key and value, unencrypted as a rule, and the other end is not authenticated",
            next_step="use a loopback address, or add --dynamodb-anywhere",
        )
    why = ""
    database = Database(url)
    try:
        if not isinstance(database.call("ListTables", "us-east-1").get("TableNames"), list):
            why = "its answer to ListTables has no TableNames"
    except (OSError, http.client.HTTPException, ValueError, AttributeError, Refused) as error:
        why = str(error) or type(error).__name__
    finally:
        database.close()
    if why:
        next_step = "start it, or leave --dynamodb-endpoint out"
        raise SrekvError(f"no DynamoDB answers at {url}", why=why, next_step=next_step)
