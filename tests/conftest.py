"""What holds for every test."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import os
import pty
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is. Speed has its limits in benchmarks/.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C reach the programs that tests start, and moto know Amazon's newest images only.

    A shell's background job ignores SIGINT, and so do its children. Of itself moto makes 1,300 images more in each
    Region whenever an account is emptied: a fifth of a second, hundreds of times.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    newest = files("moto").joinpath("ec2/resources/latest_amis/us-east-1.json.gz")
    images = config.cache.mkdir("srekv") / "images.json"  # type: ignore[union-attr]
    mine = images.with_suffix(f".{os.getpid()}")
    mine.write_bytes(gzip.decompress(newest.read_bytes()))
    mine.rename(images)  # whole, whichever of the processes comes last
    os.environ["MOTO_AMIS_PATH"] = str(images.absolute())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function; fixtures that are asynchronous context managers are open around it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None

    async def run() -> None:
        async with AsyncExitStack() as opened:
            given: dict[str, Any] = {
                name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters
            }
            for name, value in given.items():
                if isinstance(value, AbstractAsyncContextManager):
                    given[name] = await opened.enter_async_context(value)
            await pyfuncitem.obj(**given)

    asyncio.run(run())
    return True


@pytest.fixture
def on_a_terminal() -> Callable[[Callable[[], object]], str]:
    """Call something and return all that it sends to a terminal, which hands it on in pieces of its own choice."""

    def capture(write: Callable[[], object]) -> str:
        reading, writing = pty.openpty()
        with os.fdopen(writing, "w") as terminal, os.fdopen(reading, "rb", buffering=0) as screen:
            with redirect_stdout(terminal), redirect_stderr(terminal):
                write()
                terminal.write("END")
            terminal.flush()
            shown = b""
            while not shown.endswith(b"END"):
                shown += screen.read(65536)
        return shown.decode()

    return capture


@pytest.fixture(scope="session")
def reserve_port() -> Iterator[Callable[..., int]]:
    """Return a port of these addresses that only a server which asks for it gets, until the tests end.

    A socket that is bound and does not listen keeps the kernel from giving its port to anything else, and a server
    binds it all the same, because both set SO_REUSEADDR (socket(7)). Clients are refused meanwhile.
    """
    with ExitStack() as reserved:

        def reserve(*addresses: str) -> int:
            for _ in range(50):
                port = 0
                with ExitStack() as attempt, suppress(OSError):
                    for address in addresses or ("127.0.0.1",):
                        holder = attempt.enter_context(socket.socket())
                        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        holder.bind((address, port))
                        port = holder.getsockname()[1]
                    reserved.push(attempt.pop_all())
                    return port
            raise AssertionError("no port is free on all of them")

        yield reserve
