"""Signals while a fault is in the stack: Ctrl-C, SIGTERM and SIGHUP end a drill, none stops the healing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, so that everything is healed on the way out."""
    with _handled(_interrupt):
        yield


@contextmanager
def shielded(warn: Callable[[], object]) -> Iterator[None]:
    """Hold these signals back; the first one that came is answered with KeyboardInterrupt at the end.

    Args:
        warn: called for each; says what the user is waiting for.
    """
    came: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        came.append(number)
        warn()

    with _handled(hold):
        yield
    if came:
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """The endings handled like this; only the main thread gets signals, elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDINGS}
    heard = [number for number, one in before.items() if one not in {None, signal.SIG_IGN}]  # nohup ignores SIGHUP
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
