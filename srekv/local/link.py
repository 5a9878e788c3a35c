"""The link between two processes of a local cloud: newline-delimited JSON both ways over one socketpair.

A request is `{"id": n, "method": m, "params": {...}}`; its answer has the same id and either a result or an error text.
A message with a method and without an id is a notification. Ids count per direction: both sides may ask at the same
time.

`ThreadLink` serves programs made of threads (the control plane, a machine's init), `asynclink.AsyncLink` those on one
event loop (the supervisor): asyncio takes longer to load than a machine to boot.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from srekv.errors import SrekvError

FD_VARIABLE = "SREKV_LINK_FD"  # the environment variable with the number of the inherited socket

Handler = Callable[..., Any]


class LinkError(SrekvError):
    """The other side answered a call with an error; `what` is its text."""


class LinkClosedError(LinkError):
    """The other side has gone; nothing more will be answered."""

    def __init__(self) -> None:
        what = "the local cloud's two processes lost each other"
        super().__init__(what, why="one of them ended", next_step="srekv local logs")


class BaseLink(ABC):
    """One end of the link, which owns the socket; what it receives is read by a thread of its own.

    A handler is called with the params as keywords; `on_close` once, by that thread, when the other side has gone.
    """

    def __init__(self, sock: socket.socket, handlers: Mapping[str, Handler], on_close: Callable[[], object]) -> None:
        self._sock = sock
        self._handlers = handlers
        self._on_close = on_close
        self._write_lock = threading.Lock()
        self._state_lock = threading.Lock()
        self._waiting: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="link-reader", daemon=True)

    def start(self) -> None:
        """Start to read; calls may be made before, but are answered only from now on."""
        self._reader.start()

    def ask(self, method: str, /, **params: Any) -> Future[Any]:
        """Send a request. Raises LinkClosedError.

        The future gets the answer; LinkError with the text of the handler that failed; or LinkClosedError.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, only answered
        with self._state_lock:
            if self._closed:
                raise LinkClosedError
            number = next(self._numbers)
            self._waiting[number] = future
        self._send({"id": number, "method": method, "params": params})
        return future

    def notify(self, method: str, /, **params: Any) -> None:
        """Send a notification, which has no answer. Raises LinkClosedError."""
        self._send({"method": method, "params": params})

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _send(self, message: Mapping[str, Any]) -> None:
        self._write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        try:
            with self._write_lock:
                self._sock.sendall(line)
        except OSError:
            raise LinkClosedError from None

    def _read(self) -> None:
        try:
            with contextlib.suppress(OSError, ValueError), self._sock.makefile("rb") as lines:
                for line in lines:
                    message = json.loads(line)
                    if "method" in message:
                        self._receive(message)
                        continue
                    with self._state_lock:
                        future = self._waiting.pop(message["id"])
                    if "error" in message:
                        future.set_exception(LinkError(message["error"]))
                    else:
                        future.set_result(message["result"])
        finally:
            with self._state_lock:
                self._closed = True
            for future in self._waiting.values():
                future.set_exception(LinkClosedError())
            with self._write_lock:
                self._sock.close()
            self._on_close()

    @abstractmethod
    def _receive(self, message: dict[str, Any]) -> None:
        """Have a request or a notification handled, without waiting for it."""

    def _call_handler(self, message: dict[str, Any]) -> Any:
        if message["method"] not in self._handlers:
            raise LinkError(f"unknown method {message['method']}")
        return self._handlers[message["method"]](**message["params"])

    def _answer(self, message: dict[str, Any], **outcome: Any) -> None:
        """Answer a request with a result or an error; a notification has no answer."""
        if "id" in message:
            with contextlib.suppress(LinkClosedError):
                self._send({"id": message["id"], **outcome})

    def _answer_error(self, message: dict[str, Any], error: Exception) -> None:
        text = error.what if isinstance(error, SrekvError) else str(error)
        self._answer(message, error=text or type(error).__name__)


class ThreadLink(BaseLink):
    """One end of the link for a program of threads.

    Requests run on a pool and may call back; notifications run one after the other, in the order they were sent.
    """

    def __init__(
        self, sock: socket.socket, handlers: Mapping[str, Handler], *, on_close: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(sock, handlers, on_close)
        self._requests = ThreadPoolExecutor(8, thread_name_prefix="link-request")
        self._notices = ThreadPoolExecutor(1, thread_name_prefix="link-notice")

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask the other side and wait for its answer. Raises what `ask` does, and what its future gets."""
        return self.ask(method, **params).result()

    def close(self) -> None:
        """Hang up, end the threads and wait for them (not from a handler of this link)."""
        super().close()
        self.wait()
        self._requests.shutdown(cancel_futures=True)
        self._notices.shutdown(cancel_futures=True)

    def wait(self) -> None:
        """Block until the other side has gone."""
        self._reader.join()

    def _receive(self, message: dict[str, Any]) -> None:
        pool = self._requests if "id" in message else self._notices
        with contextlib.suppress(RuntimeError):  # the pool is shut: we are closing
            pool.submit(self._handle, message)

    def _handle(self, message: dict[str, Any]) -> None:
        try:
            self._answer(message, result=self._call_handler(message))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the other side's answer
            self._answer_error(message, error)
