"""Both ends of the link ask, answer and notify, and notice when the other one goes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from srekv.local.link import AsyncLink, LinkClosedError, LinkError, ThreadLink

pytestmark = pytest.mark.local

DEADLINE_S = 10


def with_links(
    play: Callable[[ThreadLink, AsyncLink], Any],
    *,
    threads: dict[str, Any] | None = None,
    loop: dict[str, Any] | None = None,
    on_close: Callable[[], None] = lambda: None,
) -> None:
    """Run a coroutine function with two connected ends that have these handlers."""

    async def go() -> None:
        ours, theirs = socket.socketpair()
        thread_link = ThreadLink(theirs, threads or {}, on_close=on_close)
        async_link = AsyncLink(ours, loop or {})
        await async_link.open()
        thread_link.start()
        serving = asyncio.create_task(async_link.serve())
        try:
            async with asyncio.timeout(DEADLINE_S):
                await play(thread_link, async_link)
        finally:
            async_link.close()
            await serving
            await asyncio.to_thread(thread_link.close)

    asyncio.run(go())


async def echo(**params: Any) -> Any:
    """Give the params back."""
    return params


def test_both_sides_ask() -> None:
    """Calls go both ways, with their params and results as JSON."""

    async def play(threads: ThreadLink, loop: AsyncLink) -> None:
        assert await loop.call("double", number=4) == 8
        assert await asyncio.to_thread(threads.call, "echo", text="ü\n", more=[1, None]) == {
            "text": "ü\n",
            "more": [1, None],
        }

    with_links(play, threads={"double": lambda number: number * 2}, loop={"echo": echo})


def test_a_handler_may_call_back() -> None:
    """A request is answered with the help of the side that asked."""
    ends: list[ThreadLink] = []

    async def play(threads: ThreadLink, loop: AsyncLink) -> None:
        ends.append(threads)
        assert await loop.call("ask", text="x") == {"text": "x"}

    with_links(play, threads={"ask": lambda text: ends[0].call("echo", text=text)}, loop={"echo": echo})


def test_errors_are_answers() -> None:
    """A handler that fails, and a method that nobody knows, reach the caller as the error's text."""

    async def fail() -> None:
        raise ValueError("not running")

    async def play(threads: ThreadLink, loop: AsyncLink) -> None:
        with pytest.raises(LinkError, match="not running"):
            await asyncio.to_thread(threads.call, "fail")
        with pytest.raises(LinkError, match="unknown method nothing"):
            await loop.call("nothing")

    with_links(play, loop={"fail": fail})


def test_slow_requests_do_not_hold_up_quick_ones() -> None:
    """Requests are handled side by side."""

    async def play(threads: ThreadLink, _loop: AsyncLink) -> None:
        gate = asyncio.Event()
        gates.append(gate)
        slow = asyncio.create_task(asyncio.to_thread(threads.call, "slow"))
        assert await asyncio.to_thread(threads.call, "echo", n=1) == {"n": 1}
        gate.set()
        assert await slow == "done"

    gates: list[asyncio.Event] = []

    async def wait_at_gate() -> str:
        await gates[0].wait()
        return "done"

    with_links(play, loop={"slow": wait_at_gate, "echo": echo})


def test_notifications_keep_their_order() -> None:
    """They are handled one after the other, as they were sent, on both sides."""
    heard: list[int] = []
    all_heard = threading.Event()

    def hear(number: int) -> None:
        heard.append(number)
        if number == 99:
            all_heard.set()

    async def play(_threads: ThreadLink, loop: AsyncLink) -> None:
        for number in range(100):
            loop.notify("hear", number=number)
        assert await asyncio.to_thread(all_heard.wait, DEADLINE_S)
        assert heard == list(range(100))

    with_links(play, threads={"hear": hear})


def test_large_messages_pass() -> None:
    """A snapshot of several megabytes is one message."""

    async def play(threads: ThreadLink, _loop: AsyncLink) -> None:
        text = "x" * 5_000_000
        assert await asyncio.to_thread(threads.call, "echo", text=text) == {"text": text}

    with_links(play, loop={"echo": echo})


def test_whoever_waits_learns_that_the_other_side_went() -> None:
    """An open call ends with an error when the link closes, later calls fail at once, and on_close is called once."""
    closed: list[int] = []

    async def play(threads: ThreadLink, loop: AsyncLink) -> None:
        asked = asyncio.Event()

        async def hang() -> None:
            asked.set()
            await asyncio.Event().wait()

        loop._handlers["hang"] = hang
        waiting = asyncio.create_task(asyncio.to_thread(threads.call, "hang"))
        await asked.wait()
        loop.close()
        with pytest.raises(LinkClosedError):
            await waiting
        await asyncio.to_thread(threads.wait)
        for call in (threads.call, threads.notify):
            with pytest.raises(LinkClosedError):
                await asyncio.to_thread(call, "echo")

    with_links(play, on_close=lambda: closed.append(1))
    assert closed == [1]
