"""The link between the control plane and the data plane: newline-delimited JSON both ways over one socketpair.

A request is `{"id": n, "method": m, "params": {...}}`; its answer has the same id and either a result or an error text.
A message with a method and without an id is a notification. Ids count per direction: both sides may ask at the same
time.

`ThreadLink` serves programs made of threads (the control plane, a machine's init), `AsyncLink` those on one event loop
(the supervisor). asyncio is imported only for the latter: it takes longer to load than a machine to boot.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from srekv.errors import SrekvError

if TYPE_CHECKING:
    import asyncio

FD_VARIABLE = "SREKV_LINK_FD"
"""The environment variable with the number of the inherited socket."""

MAXIMUM_LINE = 64 * 1024 * 1024
"""Longest message in bytes: a snapshot carries every machine's user data and every record."""

Handler = Callable[..., Any]
AsyncHandler = Callable[..., Awaitable[Any]]


class LinkError(SrekvError):
    """The other side answered a call with an error; `what` is its text."""


class LinkClosedError(LinkError):
    """The other side has gone; nothing more will be answered."""

    def __init__(self) -> None:
        super().__init__(
            "the local cloud's two processes lost each other",
            why="one of them ended",
            next_step="srekv local logs",
        )


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _request(number: int | None, method: str, params: Mapping[str, Any]) -> bytes:
    message: dict[str, Any] = {"method": method, "params": params}
    return _encode(message if number is None else {"id": number, **message})


def _failure(number: int, error: BaseException) -> bytes:
    text = error.what if isinstance(error, SrekvError) else str(error)
    return _encode({"id": number, "error": text or type(error).__name__})


def _lookup(handlers: Mapping[str, Handler], method: str) -> Handler:
    if method not in handlers:
        raise LinkError(f"unknown method {method}")
    return handlers[method]


class ThreadLink:
    """One end of the link for a program of threads.

    Args:
        sock: the connected socket; the link owns it from now on.
        handlers: method name -> callable, called with the params as keywords. Requests run on a pool and may call back;
            notifications run one after the other, in the order they were sent.
        on_close: called once, from the reading thread, when the other side has gone.
    """

    def __init__(
        self,
        sock: socket.socket,
        handlers: Mapping[str, Handler],
        *,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._sock = sock
        self._handlers = dict(handlers)
        self._on_close = on_close
        self._write_lock = threading.Lock()
        self._state_lock = threading.Lock()
        self._waiting: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._closed = False
        self._requests = ThreadPoolExecutor(8, thread_name_prefix="link-request")
        self._notices = ThreadPoolExecutor(1, thread_name_prefix="link-notice")
        self._reader = threading.Thread(target=self._read, name="link-reader", daemon=True)

    def start(self) -> None:
        """Begin to read; calls may be made before, but are answered only from now on."""
        self._reader.start()

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask the other side and wait for its answer.

        Raises:
            LinkError: its handler failed; the text is its own.
            LinkClosedError: it has gone.
        """
        future: Future[Any] = Future()
        with self._state_lock:
            if self._closed:
                raise LinkClosedError
            number = next(self._numbers)
            self._waiting[number] = future
        try:
            self._send(_request(number, method, params))
            return future.result()
        finally:
            with self._state_lock:
                self._waiting.pop(number, None)

    def notify(self, method: str, /, **params: Any) -> None:
        """Tell the other side something and expect no answer. Raises LinkClosedError."""
        self._send(_request(None, method, params))

    def close(self) -> None:
        """Hang up, end the threads and wait for them (not from a handler of this link)."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._reader.ident is not None:
            self._reader.join()
        self._requests.shutdown(cancel_futures=True)
        self._notices.shutdown(cancel_futures=True)
        self._sock.close()

    def wait(self) -> None:
        """Block until the other side has gone."""
        self._reader.join()

    def _send(self, line: bytes) -> None:
        try:
            with self._write_lock:
                self._sock.sendall(line)
        except OSError:
            raise LinkClosedError from None

    def _read(self) -> None:
        try:
            with contextlib.suppress(OSError), self._sock.makefile("rb") as lines:
                for line in lines:
                    self._dispatch(json.loads(line))
        finally:
            with self._state_lock:
                self._closed = True
                waiting = list(self._waiting.values())
            for future in waiting:
                future.set_exception(LinkClosedError())
            self._on_close()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "method" in message:
            pool = self._requests if "id" in message else self._notices
            with contextlib.suppress(RuntimeError):  # the pool is shut: we are closing
                pool.submit(self._handle, message)
            return
        with self._state_lock:
            future = self._waiting.pop(message["id"], None)
        if future is None:
            return
        if "error" in message:
            future.set_exception(LinkError(message["error"]))
        else:
            future.set_result(message["result"])

    def _handle(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        try:
            handler = _lookup(self._handlers, message["method"])
            result = handler(**message["params"])
            line = None if number is None else _encode({"id": number, "result": result})
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the other side's answer
            line = None if number is None else _failure(number, error)
        if line is not None:
            with contextlib.suppress(LinkClosedError):
                self._send(line)


class AsyncLink:
    """One end of the link for a program on one event loop.

    Args:
        sock: the connected socket; the link owns it from now on.
        handlers: method name -> coroutine function, called with the params as keywords; more may be added.
            Requests run concurrently; notifications one after the other, in the order they were sent, and must not call
            back.
    """

    def __init__(self, sock: socket.socket, handlers: Mapping[str, AsyncHandler]) -> None:
        self._sock = sock
        self._handlers = handlers
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Attach the socket to the loop; from now on calls can be made (they are answered while `serve` runs)."""
        import asyncio

        self._reader, self._writer = await asyncio.open_connection(sock=self._sock, limit=MAXIMUM_LINE)

    async def serve(self) -> None:
        """Read and answer until the other side has gone; opens the link if need be."""
        if self._reader is None:
            await self.open()
        reader = self._reader
        assert reader is not None  # noqa: S101 - open() has just set it
        try:
            while line := await reader.readline():
                await self._dispatch(json.loads(line))
        except ConnectionError:
            pass  # gone is gone, orderly or not
        finally:
            await self._end()

    async def call(self, method: str, /, **params: Any) -> Any:
        """Ask the other side and wait for its answer.

        Raises:
            LinkError: its handler failed; the text is its own.
            LinkClosedError: it has gone.
        """
        import asyncio

        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send(_request(number, method, params))
            return await future
        finally:
            self._waiting.pop(number, None)

    def notify(self, method: str, /, **params: Any) -> None:
        """Tell the other side something and expect no answer. Raises LinkClosedError."""
        self._send(_request(None, method, params))

    def close(self) -> None:
        """Hang up; `serve` returns soon."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _send(self, line: bytes) -> None:
        if self._writer is None or self._writer.is_closing():
            raise LinkClosedError
        self._writer.write(line)

    async def _dispatch(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self._settle(message)
        elif "id" not in message:
            await self._handle(message)
        else:
            import asyncio

            task = asyncio.create_task(self._handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _settle(self, message: dict[str, Any]) -> None:
        future = self._waiting.pop(message["id"], None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(LinkError(message["error"]))
        else:
            future.set_result(message["result"])

    async def _handle(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        try:
            handler = _lookup(self._handlers, message["method"])
            result = await handler(**message["params"])
            line = None if number is None else _encode({"id": number, "result": result})
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the other side's answer
            line = None if number is None else _failure(number, error)
        if line is not None:
            with contextlib.suppress(LinkClosedError):
                self._send(line)

    async def _end(self) -> None:
        import asyncio

        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkClosedError())
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
