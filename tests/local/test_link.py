"""Both ends of the link ask, answer and notify, and notice when the other one goes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from srekv.local.asynclink import AsyncLink
from srekv.local.link import LinkClosedError, LinkError, ThreadLink

pytestmark = pytest.mark.local

DEADLINE_S = 10


@asynccontextmanager
async def links(
    *,
    threads: dict[str, Any] | None = None,
    loop: dict[str, Any] | None = None,
    on_close: Callable[[], None] = lambda: None,
) -> AsyncIterator[tuple[ThreadLink, AsyncLink]]:
    """Two connected ends that have these handlers."""
    ours, theirs = socket.socketpair()
    thread_link = ThreadLink(theirs, threads or {}, on_close=on_close)
    async_link = AsyncLink(ours, loop or {})
    thread_link.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield thread_link, async_link
    finally:
        async_link.close()
        await async_link.ended
        await asyncio.to_thread(thread_link.close)


async def echo(**params: Any) -> Any:
    """Give the params back."""
    return params


def double(number: int) -> int:
    """Twice the number."""
    return number * 2


async def test_both_sides_ask() -> None:
    """Calls go both ways, with their params and results as JSON; on the loop, functions and coroutine functions."""
    async with links(threads={"double": double}, loop={"double": double, "echo": echo}) as (threads, loop):
        assert await loop.call("double", number=4) == 8
        assert await asyncio.to_thread(threads.call, "double", number=4) == 8
        params = {"text": "ü\n", "more": [1, None]}
        assert await asyncio.to_thread(threads.call, "echo", **params) == params


async def test_a_handler_may_call_back() -> None:
    """A request is answered with the help of the side that asked."""
    ends: list[ThreadLink] = []
    ask = {"ask": lambda text: ends[0].call("echo", text=text)}
    async with links(threads=ask, loop={"echo": echo}) as (threads, loop):
        ends.append(threads)
        assert await loop.call("ask", text="x") == {"text": "x"}


async def test_errors_are_answers() -> None:
    """A handler that fails, and a method that is not known, reach the caller as the error's text."""

    async def fail() -> None:
        raise ValueError("not running")

    async with links(loop={"fail": fail}) as (threads, loop):
        with pytest.raises(LinkError, match="not running"):
            await asyncio.to_thread(threads.call, "fail")
        with pytest.raises(LinkError, match="unknown method nothing"):
            await loop.call("nothing")


async def test_slow_requests_do_not_hold_up_quick_ones() -> None:
    """Requests are handled concurrently."""
    gate = asyncio.Event()
    async with links(loop={"slow": gate.wait, "echo": echo}) as (threads, _):
        slow = asyncio.create_task(asyncio.to_thread(threads.call, "slow"))
        assert await asyncio.to_thread(threads.call, "echo", n=1) == {"n": 1}
        gate.set()
        assert await slow is True


async def test_notifications_keep_their_order() -> None:
    """They are handled one after the other, as they were sent, on both sides."""
    heard: dict[str, list[int]] = {"threads": [], "loop": []}
    ended = {side: threading.Event() for side in heard}

    def hear(side: str, number: int) -> None:
        heard[side].append(number)
        if number == 99:
            ended[side].set()

    async with links(threads={"hear": hear}, loop={"hear": hear}) as (threads, loop):
        for number in range(100):
            loop.notify("hear", side="threads", number=number)
            threads.notify("hear", side="loop", number=number)
        for event in ended.values():
            assert await asyncio.to_thread(event.wait, DEADLINE_S)
    assert list(heard.values()) == [list(range(100))] * 2


async def test_large_messages_pass() -> None:
    """A snapshot of several megabytes is one message."""
    text = "x" * 5_000_000
    async with links(loop={"echo": echo}) as (threads, _):
        assert await asyncio.to_thread(threads.call, "echo", text=text) == {"text": text}


async def test_the_loop_does_not_wait_for_a_side_that_stopped_reading() -> None:
    """More than the socket takes is sent to it without delay; hanging up still ends the link, and later calls."""
    ours, theirs = socket.socketpair()
    with theirs:
        link = AsyncLink(ours, {})
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(10):
                link.notify("hear", text="x" * 1_000_000)
            link.close()
            await link.ended
    for call in (link.notify, link.ask):
        with pytest.raises(LinkClosedError):
            call("hear")


async def test_whoever_waits_learns_that_the_other_side_went() -> None:
    """An open call ends with an error when the link closes, later calls fail at once, and on_close is called once."""
    closed: list[int] = []
    asked = asyncio.Event()

    async def hang() -> None:
        asked.set()
        await asyncio.Event().wait()

    async with links(loop={"hang": hang}, on_close=lambda: closed.append(1)) as (threads, loop):
        waiting = asyncio.create_task(asyncio.to_thread(threads.call, "hang"))
        await asked.wait()
        loop.close()
        with pytest.raises(LinkClosedError):
            await waiting
        await asyncio.to_thread(threads.wait)
        for call in (threads.call, threads.notify):
            with pytest.raises(LinkClosedError):
                await asyncio.to_thread(call, "echo")
        with pytest.raises(LinkClosedError):
            await loop.call("echo")
    assert closed == [1]
