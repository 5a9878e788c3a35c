"""The end of a link (`link`) for a program on one event loop."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from srekv.local.link import BaseLink, Handler, LinkClosedError


class AsyncLink(BaseLink):
    """Runs its handlers, functions and coroutine functions, on the loop that it is made on.

    They start in the order in which their messages were sent, and run concurrently. A thread sends, so that the loop
    never waits for the other side to read. `ended` is done once that has gone and no handler runs any more.
    """

    def __init__(self, sock: socket.socket, handlers: Mapping[str, Handler]) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox = ThreadPoolExecutor(1, thread_name_prefix="link-send")
        super().__init__(sock, handlers, lambda: self._loop.call_soon_threadsafe(self._gone.set))
        self.ended = asyncio.create_task(self._end())
        self.start()

    async def _end(self) -> None:
        await self._gone.wait()
        self._outbox.shutdown(wait=False, cancel_futures=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def call(self, method: str, /, **params: Any) -> Any:
        """Ask the other side and wait for its answer, as ThreadLink.call."""
        return await asyncio.wrap_future(self.ask(method, **params))

    def _write(self, line: bytes) -> None:
        try:
            self._outbox.submit(super()._write, line)
        except RuntimeError:  # it is shut
            raise LinkClosedError from None

    def _receive(self, message: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._start_handler, message)

    def _start_handler(self, message: dict[str, Any]) -> None:
        task = asyncio.create_task(self._handle(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, message: dict[str, Any]) -> None:
        try:
            result = self._call_handler(message)
            self._answer(message, result=await result if inspect.isawaitable(result) else result)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the other side's answer
            self._answer_error(message, error)
